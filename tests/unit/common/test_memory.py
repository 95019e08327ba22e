"""How much memory there is: the machine's, or the container's."""

from __future__ import annotations

import pytest

from components.common import memory


@pytest.mark.parametrize(("text", "counts"), [("1048576\n", True), ("max\n", False), (f"{2**63}\n", False)])
def test_the_limit_of_a_container_counts_where_it_is_less(text, counts, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_LIMITS", (tmp_path / "none",))
    machine = memory.memory()
    assert machine > 2**28
    (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(memory, "_LIMITS", (tmp_path / "limit", tmp_path / "none"))
    assert memory.memory() == (2**20 if counts else machine)

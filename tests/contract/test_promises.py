"""Every promise of docs/trust.md names the tests that show it, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def promises() -> dict[str, str]:
    """What is promised, and what shows it: the rows of the table."""
    section, _, _ = (REPOSITORY / "docs/trust.md").read_text().partition("\n## ")
    rows = re.findall(r"^\| (.+?) \| (.*?) ?\|$", section, re.MULTILINE)
    return {promise: shown for promise, shown in rows if promise not in ("promise", "---") and promise[0] != "*"}


def test_the_test_of_every_promise_is_there():
    assert len(promises()) > 25
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for promise, shown in promises().items():
        folder = None
        for name in (named := re.findall(r"`([^`]+)`", shown)):
            if name.startswith("make "):
                assert name.split()[1] in targets, promise
            else:  # a name alone is of the folder of the one before
                folder = (REPOSITORY / "tests" / name).parent if "/" in name else folder
                assert folder and "def test_" in (folder / Path(name).name).read_text(), f"{promise}: {name}"
        assert named, promise

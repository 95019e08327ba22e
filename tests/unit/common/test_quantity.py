from __future__ import annotations

from components.common.quantity import quantity


def test_the_noun_agrees_with_the_count():
    assert [quantity(count, "face") for count in (0, 1, 2, 1234)] == ["0 faces", "1 face", "2 faces", "1,234 faces"]
    assert [quantity(count, "person", "people") for count in (1, 2)] == ["1 person", "2 people"]

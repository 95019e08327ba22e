from __future__ import annotations

import pytest

from components.common.records import is_version, number, read_json, whole


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[-1e999]", "", "{", b"\xff", "9" * 5000]
)
def test_what_json_does_not_know_is_refused(text):
    with pytest.raises(ValueError):
        read_json(text)


def test_what_it_knows_is_read():
    assert read_json(b'{"a": [1, 2.5, true, null, "x"]}') == {"a": [1, 2.5, True, None, "x"]}


@pytest.mark.parametrize("value", [True, False, "1", None, [], float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    for read in (number, whole):
        with pytest.raises(ValueError, match="number is needed"):
            read(value)
    assert not is_version(value, 1)


def test_a_number_is_read_as_it_is():
    assert (number(0.5), number(2), whole(2)) == (0.5, 2, 2)
    with pytest.raises(ValueError, match="whole number"):
        whole(0.5)
    assert is_version(1, 1) and not is_version(2, 1) and not is_version(1.0, 1)

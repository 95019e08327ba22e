import pytest

from components.common.errors import UsageError
from pipelines.plan.values import as_text, from_text, to_kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (-3, "-3"),
        (2.0, "2"),
        (0.2, "0.2"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (1.5e300, "15" + "0" * 299),
        (True, "true"),
        (False, "false"),
        ("", ""),
        ("two words", "two words"),
        ([1, "a", True], '[1,"a",true]'),
        ({"ü": [0.5]}, '{"ü":[0.5]}'),
    ],
)
def test_values_are_rendered_as_the_launcher_does(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("STRING", "x=1"),
        ("NUMBER_INTEGER", -12),
        ("NUMBER_DOUBLE", 1e-7),
        ("BOOLEAN", True),
        ("LIST", [1, [2]]),
        ("STRUCT", {"a": None}),
    ],
)
def test_what_is_rendered_reads_back(kind, value):
    assert from_text(as_text(value), kind, "x") == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NUMBER_INTEGER", "1.5"),
        ("NUMBER_INTEGER", ""),
        ("NUMBER_DOUBLE", "nan"),
        ("NUMBER_DOUBLE", "inf"),
        ("NUMBER_DOUBLE", "wide"),
        ("BOOLEAN", "1"),
        ("BOOLEAN", "yes"),
        ("LIST", "{}"),
        ("LIST", "[1"),
        ("STRUCT", "[]"),
    ],
)
def test_text_of_another_type_is_refused_with_the_name(kind, text):
    with pytest.raises(UsageError, match="margin is ") as error:
        from_text(text, kind, "margin")
    assert error.value.received == f"margin={text}"


def test_whole_numbers_lose_the_point_that_the_ir_gives_them():
    value = to_kind(128.0, "NUMBER_INTEGER", "x")
    assert value == 128
    assert isinstance(value, int)


@pytest.mark.parametrize(("kind", "value"), [("NUMBER_INTEGER", True), ("NUMBER_DOUBLE", False), ("STRING", 3)])
def test_a_recipes_value_of_another_type_is_refused(kind, value):
    with pytest.raises(UsageError):
        to_kind(value, kind, "x")

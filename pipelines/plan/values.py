"""The values of parameters: the types that a compiled pipeline knows, read from text and rendered as text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from components.common.errors import UsageError
from components.common.records import read_json

Value = str | int | float | bool | list[Any] | dict[str, Any]

# Kubeflow's parameter types, in words for people.
KINDS = {
    "STRING": "text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}
# Some value of each type.
ANY: dict[str, Value] = {
    "STRING": "",
    "NUMBER_INTEGER": 0,
    "NUMBER_DOUBLE": 0.0,
    "BOOLEAN": False,
    "LIST": [],
    "STRUCT": {},
}


def _integral(value: object) -> bool:
    # The IR stores every number as a double: an int default arrives as 1.0.
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_FITS: dict[str, Callable[[Any], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "NUMBER_INTEGER": _integral,
    "NUMBER_DOUBLE": _number,
    "BOOLEAN": lambda value: isinstance(value, bool),
    "LIST": lambda value: isinstance(value, list),
    "STRUCT": lambda value: isinstance(value, dict),
}

_READ: dict[str, Callable[[str], Any]] = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": float,
    "BOOLEAN": lambda text: {"true": True, "false": False}[text.lower()],
    "LIST": read_json,
    "STRUCT": read_json,
}


def to_kind(value: Any, kind: str, name: str) -> Value:
    """Brings a value from YAML or JSON to its declared type: 1.0 becomes 1 for a whole number.

    Args:
        value: the value as read.
        kind: a key of `KINDS`.
        name: the parameter, for the message.

    Raises:
        UsageError: the value is not of this type.
    """
    if not _FITS[kind](value):
        raise UsageError(f"{name} is {KINDS[kind]}.", received=f"{name}={value}")
    if kind == "NUMBER_INTEGER":
        return int(value)
    if kind == "NUMBER_DOUBLE":
        return float(value)
    fitting: Value = value
    return fitting


def from_text(text: str, kind: str, name: str) -> Value:
    """Reads a value that a person or a task wrote: the reverse of `as_text`.

    Raises:
        UsageError: the text is no value of this type.
    """
    try:
        value = _READ[kind](text)
    except (ValueError, LookupError):
        value = None
    if not _FITS[kind](value):
        raise UsageError(f"{name} is {KINDS[kind]}.", received=f"{name}={text}")
    return to_kind(value, kind, name)


def as_text(value: Value) -> str:
    """Renders a value the way Kubeflow's launcher puts it on a command line.

    Numbers have no exponent and no needless `.0`, booleans are `true` and `false`, lists and objects one JSON string
    (kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, getPlaceholders).
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

"""JSON that somebody else may have written: Python also reads NaN and Infinity, and takes true for 1."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# The file of a report that holds its numbers, and its version: a new one whenever a key comes or goes. Reports that are
# older than versions have none.
METRICS = "metrics.json"
METRICS_VERSION = 4


def read_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, or has a number that JSON or a float does not know.
        RecursionError: lists lie in each other by the thousand.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)


def read_metrics(text: str | bytes) -> dict[str, Any]:
    """What a report's `metrics.json` says.

    Raises:
        ValueError, AttributeError, RecursionError: as `read_json`; it is no record, or of a later version.
    """
    metrics: dict[str, Any] = read_json(text)
    version = whole(metrics.get("schema_version", 0))
    if version > METRICS_VERSION:
        raise ValueError(f"it has version {version}; up to {METRICS_VERSION} is read")
    return metrics


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"a number that is none: {constant[:20]}")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole(text: str) -> int:
    _finite(text)  # what is larger is no number to reckon with either
    return int(text)


def number(value: object) -> float:
    """A number as it is.

    Raises:
        ValueError: it is no number, or none that a float holds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a number is needed, not {value!r}")
    return value


def whole(value: object) -> int:
    """A whole number as it is.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a whole number is needed, not {value!r}")
    return value


def is_version(value: object, version: int) -> bool:
    """Whether a version that a record states is this one."""
    return type(value) is int and value == version

"""Runs in words for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.common.names import plain

_WIDEST = 40


def value(anything: Any) -> str:
    """A value of a record on one line; `-` for none."""
    if anything is None or anything == "":
        return "-"
    if isinstance(anything, float):
        return f"{anything:.4g}"
    return plain(anything if isinstance(anything, str) else json.dumps(anything, ensure_ascii=False, default=str))


def assignments(values: Mapping[str, Any]) -> str:
    """NAME=VALUE, NAME=VALUE; `-` for nothing."""
    return ", ".join(f"{plain(name)}={value(one)}" for name, one in values.items()) or "-"


def shorten(text: str, width: int = _WIDEST) -> str:
    """A text of at most this many characters."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns under their heads; cells are shortened but for those of the last column."""
    cells = [list(head), *([*(shorten(value(one)) for one in row[:-1]), value(row[-1])] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(head))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in padded)


def bytes_in_words(count: int | None) -> str:
    """A size for people: `340 MB`, `1.2 GB`."""
    if count is None:
        return "-"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 100 * size else f"{count / size:.0f} {unit}"
    return f"{count} bytes"

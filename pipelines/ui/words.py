"""Times, sizes and values as the pages show them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from components.common.names import plain
from components.page.words import count, number
from pipelines.look.compare import best, differ
from pipelines.look.history import Run, elapsed, photos
from pipelines.look.words import bytes_in_words
from pipelines.records import summary
from pipelines.records.record import TaskRecord

_LONG_LIST = 10
_HASH = re.compile("[0-9a-f]{32,}")


def when(iso: str | None) -> str:
    """An ISO time as this machine's clock had it: "25 Nov 2026, 21:02:13"."""
    if not iso:
        return ""
    try:
        return datetime.fromisoformat(iso).astimezone().strftime("%-d %b %Y, %H:%M:%S")
    except ValueError:
        return iso


def duration(seconds: float | None) -> str:
    """Seconds for people; nothing when unknown."""
    return "" if seconds is None else summary.duration(seconds)


def took(one: Run | TaskRecord) -> str:
    """How long a run or a task took, or has taken so far; nothing when unknown."""
    return duration(elapsed(one.record if isinstance(one, Run) else one, one.state))


def size(amount: int | None) -> str:
    """Bytes for people; nothing when unknown."""
    return "" if amount is None else bytes_in_words(amount)


def shown(value: Any) -> str:
    """A setting or a metric: numbers short, texts as they are, the rest as JSON."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def flat(value: dict[str, Any]) -> dict[str, Any]:
    """Settings within settings as `outer.inner`; of a long or nested list only how long it is."""
    settings: dict[str, Any] = {}
    for key, one in value.items():
        if isinstance(one, dict) and one:
            settings |= {f"{key}.{inner}": deeper for inner, deeper in flat(one).items()}
        else:
            nested = isinstance(one, list) and (
                len(one) > _LONG_LIST or any(isinstance(part, dict | list) for part in one)
            )
            settings[key] = f"{len(one):,} items" if nested else one
    return settings


def pretty(value: Any) -> str:
    """JSON as one reads it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def cell(value: Any, hash_digits: int | None = None) -> str:
    """A value of a table: what is counted and what is a name are not told apart there, so no number has commas.

    Args:
        value: of any type that a column may have.
        hash_digits: of a hash only so many; all of them when None.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    text = str(value)
    return f"{text[:hash_digits]}…" if hash_digits and _HASH.fullmatch(text) else text


def words(name: str) -> str:
    """The name of a metric for people: "val_at_far_0.01" as "VAL at FAR 0.01"."""
    abbreviations = {one: one.upper() for one in ("auc", "eer", "val", "far", "fnir", "fpir", "cpu")}
    text = " ".join(abbreviations.get(word, word) for word in name.split("_"))
    return text[:1].upper() + text[1:]


def difference(value: Any, base: Any) -> str:
    """How far a number is from another, with its sign; nothing when it is not, or they are no numbers."""
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in (value, base)]
    if not all(numbers) or value == base:
        return ""
    return ("+" if value > base else "\N{MINUS SIGN}") + shown(abs(value - base))


def breakable(name: str, after: str = "._") -> Markup:
    """A name that a line may end in the middle of, after a dot or an underscore; a path after a slash."""
    return Markup(re.sub(f"([{after}])", r"\1<wbr>", str(escape(plain(name)))))  # noqa: S704 - escaped before


def path(text: str) -> str:
    """A name as a part of an address."""
    return quote(text, safe="")


def of(place: str, run: Run) -> str:
    """The address of a task or an artifact (`TASK/ARTIFACT/FILE`) of a run."""
    return f"/runs/{path(run.record.id)}/{quote(place, safe='/')}"


_FILTERS = (
    *(when, duration, took, size, shown, flat, pretty, cell, words, breakable, path, of, photos, count, number),
    *(difference, best, differ),
)
FILTERS = {one.__name__: one for one in _FILTERS}

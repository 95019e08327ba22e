"""Known names that resemble a wrong one, for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_NEAR = 0.75
_MOST = 4


def _likeness(name: str, other: str) -> float:
    """How alike two names are, 0 to 1: as a whole, or in a part (`round` is part of `mine-and-train.rounds`)."""
    name, other = name.lower(), other.lower()
    last = name.rpartition(".")[2]
    pairs = [(name, other), *((part, word) for part in (name, last) for word in re.split(r"[.-]", other))]
    return max(SequenceMatcher(None, one, two).ratio() for one, two in pairs)


def near(name: str, known: Iterable[str]) -> list[str]:
    """The few known names that resemble a wrong one most, the nearest first."""
    alike = [other for other in known if _likeness(name, other) >= _NEAR]
    alike.sort(key=lambda other: SequenceMatcher(None, name, other).ratio(), reverse=True)
    return alike[:_MOST]


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names that resemble a wrong one, or with all of them when none does."""
    known = list(known)
    alike = near(name, known)
    if alike:
        return f"Did you mean {' or '.join(alike)}?"
    return f"Known: {', '.join(known)}."

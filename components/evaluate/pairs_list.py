"""A list of pairs of photos, whatever layout it was published in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.common.errors import UsageError, reason_of
from components.common.names import one_form
from components.evaluate.embeddings import Indices

Photo = tuple[str, str]  # identity, and its path in there, with or without its ending


@dataclass(frozen=True)
class PairsFile:
    """The content of a list of pairs.

    Args:
        pairs: pairs of photos, in its order.
        same: whether a pair shows one person.
        fold: of each pair, from 0.
        slices: the slice of each pair; None above the first slice's name, and in layouts other than LFW's.
        files: where a list does not lay its photos out by person: by photo, the end of its path as the list gives it.
        notes: what a reader of the numbers must know, in sentences.
    """

    pairs: list[tuple[Photo, Photo]]
    same: Sequence[bool]
    fold: Sequence[int]
    slices: list[str | None]
    files: Mapping[Photo, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def folds(self) -> int:
        """The number of folds."""
        return max(self.fold) + 1


def lines_of(path: Path) -> list[str]:
    """The lines of a list, names in Unicode's form NFC, without blank ones at its end.

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    try:
        lines = one_form(path.read_text(encoding="utf-8-sig")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "The pairs file cannot be read.",
            received=f"{path} ({reason_of(error)})",
            advice="Give a text file, whole; the layouts are in components/evaluate/README.md.",
        ) from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def is_number(field: str) -> bool:
    """Whether a field of a list is a number, of a size that lists have."""
    return field.isdecimal() and len(field) < 10


def people_of(pairs: Indices, same: Sequence[bool], count: int) -> list[str]:
    """Names for people where a list names none: things that same-identity pairs connect are of one person.

    Two people may be one whom no pair connects, so there are at least as few as this.

    Args:
        pairs: int64 [n, 2], pairs of things: photos, or templates.
        same: which pairs show one person.
        count: the number of things.

    Returns:
        The person of each thing, `person-00000` first.
    """
    root = list(range(count))

    def find(thing: int) -> int:
        while root[thing] != thing:
            root[thing] = thing = root[root[thing]]
        return thing

    for one, other in pairs[np.asarray(same, bool)].tolist():
        first, second = sorted((find(one), find(other)))
        root[second] = first
    numbers: dict[int, int] = {}
    return [f"person-{numbers.setdefault(find(thing), len(numbers)):05d}" for thing in range(count)]

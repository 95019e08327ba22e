"""The list of runs as a person asks for it: in which order, and which of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pipelines.description import HEADLINE, LESS_IS_BETTER
from pipelines.look.history import Run, began, photos
from pipelines.plan.changes import in_words
from pipelines.plan.tasks import PHOTOS

_KEYS: dict[str, Callable[[Run], Any]] = {
    "run": began,
    "state": lambda run: run.state,
    "time": lambda run: run.record.seconds,
    "recipe": lambda run: run.record.recipe,
    PHOTOS: photos,
    **{name: lambda run, name=name: run.metrics.get(name) for name in HEADLINE},  # type: ignore[misc]
}
# What one looks for in a column comes first when it is clicked: the newest, the longest, the most accurate.
_RISING = ("state", "recipe", PHOTOS, *LESS_IS_BETTER)


@dataclass(frozen=True)
class Question:
    """What is asked for.

    Args:
        words: all of which are in the run's id, recipe, photos, state, settings, note or tags.
        state: of the runs, or "" for any.
        sort: the column to sort by.
        rising: whether the smallest come first.
    """

    words: str = ""
    state: str = ""
    sort: str = "run"
    rising: bool = False

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Question:
        """What an address asks for; what it cannot mean is not asked for."""
        sort = query.get("sort", "-run")
        known = sort.removeprefix("-") in _KEYS
        return cls(
            words=query.get("q", "").strip(),
            state=query.get("state", ""),
            sort=sort.removeprefix("-") if known else "run",
            rising=known and not sort.startswith("-"),
        )

    def address(self, column: str | None = None) -> str:
        """The query of this question, sorted by a column if one is given; the other way round if it is already."""
        sort, rising = self.sort, self.rising
        if column is not None:
            sort, rising = column, (not rising if column == sort else column in _RISING)
        given = {"q": self.words, "state": self.state, "sort": sort if rising else f"-{sort}"}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    def order(self, column: str) -> str:
        """How a column is sorted, in the words of the attribute aria-sort."""
        return ("ascending" if self.rising else "descending") if column == self.sort else "none"


def select(runs: Sequence[Run], question: Question) -> list[Run]:
    """The runs that are asked for, sorted; those without a value in that column last."""
    words = question.words.casefold().split()
    chosen = [
        run
        for run in runs
        if (not question.state or run.state == question.state) and all(word in _text(run) for word in words)
    ]
    key = _KEYS[question.sort]
    known = [run for run in chosen if key(run) is not None]
    known.sort(key=key, reverse=not question.rising)
    return known + [run for run in chosen if key(run) is None]


def _text(run: Run) -> str:
    said = [run.record.id, run.record.recipe, photos(run), run.state, in_words(run.record.settings)]
    said += [run.notes.note, *run.notes.tags]
    return " ".join(filter(None, said)).casefold()

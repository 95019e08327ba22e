"""What is known of a search over settings: `RUNS/searches/NAME/search.json`, written whole each time.

Each part of a trial is a run like any other, in the runs folder: here is which run is which part, and its score.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

from pipelines.records.record import RUNNING, SCHEMA_VERSION, now

SEARCHES, SEARCH_FILE = "searches", "search.json"


class Part(TypedDict):
    """What a trial did in a rung: the round it ended after, the run, how that ended, and its score there.

    The state is that of a run; the score is None as long as there is none, and of a training that failed. `made_by` is
    the run that holds what the training left: another one where the part was answered from the cache.
    """

    until: int
    run: str
    made_by: str
    state: str
    score: float | None
    seconds: float | None


class Trial(TypedDict):
    """A trial: its number, from 1; the settings that it tries; what it has done, a part for each rung it is in."""

    number: int
    settings: dict[str, Any]
    parts: list[Part]


def scores_of(trial: Trial) -> list[tuple[int, float]]:
    """The scores of a trial in the order of its rungs, each with the round after which it was."""
    return [(part["until"], part["score"]) for part in trial["parts"] if part["score"] is not None]


@dataclass
class SearchRecord:
    """One search: what was asked, what its trials came to, and which one is the best.

    Args:
        id: its name, that of its file.
        asked: the file's content.
        by: the number that decides, the higher the better.
        identity: of all that the scores depend on besides settings: photos, code, packages. With another one, what is
            noted here is no longer known.
        trials: in the order of their numbers.
        state: running, succeeded, failed or stopped.
        winner: the number of the best trial, once it is known.
        final: the run of the whole pipeline with its settings.
        refit: the same run trained on the people for validation too, if that was asked.
        peak_bytes: the most memory that a trial has held at one time; None when unknown.
        started: ISO time in UTC.
        ended: ISO time in UTC.
    """

    id: str
    asked: dict[str, Any]
    by: str
    identity: str
    trials: list[Trial] = field(default_factory=list)
    state: str = RUNNING
    winner: int | None = None
    final: str | None = None
    refit: str | None = None
    peak_bytes: int | None = None
    started: str = field(default_factory=now)
    ended: str | None = None
    schema_version: int = SCHEMA_VERSION

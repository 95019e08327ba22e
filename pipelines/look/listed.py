"""A run in a list of runs: as a line of a table, and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.common.names import plain
from pipelines.description import HEADLINE
from pipelines.look import history
from pipelines.look.words import assignments, table
from pipelines.records.summary import duration

_HEAD = ("run", "state", "time", "recipe", *HEADLINE.values(), "settings beside the recipe's; doubts; note")


def describe(one: history.Run) -> dict[str, Any]:
    """A run for scripts."""
    record = one.record
    return {
        "id": record.id,
        "state": one.state,
        "problem": one.problem or None,
        "started": record.started or None,
        "seconds": history.elapsed(record, one.state),
        "pipeline": record.pipeline,
        "runner": record.runner,
        "origin": record.origin,
        "recipe": record.recipe,
        "settings": one.changed,
        "metrics": one.metrics,
        "doubts": one.doubts,
        "note": one.notes.note,
        "tags": one.notes.tags,
    }


def listed(runs: Sequence[history.Run]) -> str:
    """Runs as a table for a terminal."""
    return table(_HEAD, [_row(one) for one in runs])


def _row(one: history.Run) -> list[Any]:
    seconds = history.elapsed(one.record, one.state)
    said = [*one.doubts, *filter(None, [plain(one.notes.note)]), *(f"[{tag}]" for tag in one.notes.tags)]
    return [
        one.record.id,
        one.state,
        None if seconds is None else duration(seconds),
        one.record.recipe,
        *(one.metrics.get(name) for name in HEADLINE),
        one.problem or "; ".join([assignments(one.changed), *said]),
    ]

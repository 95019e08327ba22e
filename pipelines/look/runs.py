"""`facenet runs`: the runs of a folder, newest first."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.common.command import run
from components.common.flags import RUNS, Runs
from pipelines.description import HEADLINE
from pipelines.look import history
from pipelines.look.words import assignments, table
from pipelines.records.summary import duration

_HEAD = ("run", "state", "time", "recipe", *HEADLINE.values(), "settings beside the recipe's; doubts")


@dataclass(frozen=True)
class Settings:
    """List the runs of a runs folder, newest first: how they ended, and how good their networks are."""

    runs: Runs = RUNS
    json: bool = False
    """Print a JSON list, for programs."""


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
    }


def _row(one: history.Run) -> list[Any]:
    seconds = history.elapsed(one.record, one.state)
    return [
        one.record.id,
        one.state,
        None if seconds is None else duration(seconds),
        one.record.recipe,
        *(one.metrics.get(name) for name in HEADLINE),
        one.problem or "; ".join([assignments(one.changed), *one.doubts]),
    ]


def _list(settings: Settings) -> None:
    runs = history.runs(settings.runs)
    if settings.json:
        print(json.dumps([describe(one) for one in runs], indent=1))
    elif runs:
        print(table(_HEAD, [_row(one) for one in runs]))
    else:
        print("No runs yet: `facenet run -i PHOTOS` makes one.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _list, argv, prog="facenet runs")


if __name__ == "__main__":
    sys.exit(main())

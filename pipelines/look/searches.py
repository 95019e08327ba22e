"""Searches for settings in a runs folder: `RUNS/searches`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.common.errors import UsageError
from components.common.suggest import suggestion
from pipelines.description import ROUNDS
from pipelines.look.history import LOST
from pipelines.look.inside import inside
from pipelines.records.alive import is_alive
from pipelines.records.files import read_search
from pipelines.records.record import RUNNING
from pipelines.records.search import SEARCHES, SearchRecord, Trial, scores_of


def searches(folder: Path) -> list[SearchRecord]:
    """The searches of a runs folder, the newest first."""
    try:
        names = [entry.name for entry in os.scandir(folder / SEARCHES) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    found = [record for name in names if (record := _search(folder, name)) is not None]
    return sorted(found, key=lambda record: record.started, reverse=True)


def find_search(folder: Path, name: str) -> SearchRecord:
    """The search of a name.

    Raises:
        UsageError: there is none.
    """
    known = {record.id: record for record in searches(folder)}
    if name not in known:
        raise UsageError(
            "There is no such search.", received=f"{name} in {folder}", advice=suggestion(name, known) if known else ""
        )
    return known[name]


def _search(folder: Path, name: str) -> SearchRecord | None:
    record = read_search(folder, name)
    if record is None or record.id != name:
        return None
    if record.state == RUNNING and not is_alive(folder / SEARCHES, name):
        return replace(record, state=LOST)
    return record


def curve(folder: Path, record: SearchRecord, trial: Trial) -> Sequence[tuple[int, float]]:
    """The scores of a trial by rounds: those at the ends of rungs, and those that its training noted in between."""
    points = dict(scores_of(trial))
    runs = {name: None for part in reversed(trial["parts"]) for name in (part["run"], part["made_by"]) if name}
    for run in runs:
        file = inside(folder, folder / run / ROUNDS)
        if file is not None and file.is_file():
            return sorted(({**_noted(file, record.by), **points}).items())
    return sorted(points.items())


def _noted(file: Path, by: str) -> dict[int, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, columns=["number", by])
    except (OSError, pa.ArrowException):  # it is being moved, or was damaged: what the search noted is there
        return {}
    rows = zip(table["number"].to_pylist(), table[by].to_pylist(), strict=True)
    return {number: score for number, score in rows if score is not None}

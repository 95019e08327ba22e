"""A finished run as a tracker sees it: what went in, its numbers, its report and its network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.common.errors import UsageError
from pipelines import description
from pipelines.look import history
from pipelines.records.record import PENDING, RUNNING, TaskRecord

_TRAINING, _ROUND = "mine-and-train", "number"


@dataclass(frozen=True)
class Finished:
    """A run that has ended.

    Args:
        run: the run.
        parameters: all that it was given, as text: of the pipeline, and of single tasks (`TASK.PARAM`).
        metrics: the numbers of its tasks, by `TASK/NAME`.
        curves: the numbers of its rounds of training, by name: pairs of the round and the number.
        report: the folder of its report; None without one.
        model: the folder that was exported; None without one.
        network: the file in it that is the best.
    """

    run: history.Run
    parameters: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]
    report: Path | None
    model: Path | None
    network: Path | None


def finished(runs: Path, run: history.Run) -> Finished:
    """Reads a run.

    Raises:
        UsageError: it cannot be read, or is going on.
    """
    if run.problem or run.state in (PENDING, RUNNING):
        raise UsageError(
            "Only a run that has ended can be published.",
            received=f"{run.record.id} ({run.problem or run.state})",
            advice="Choose another run: `facenet runs` lists them.",
        )
    tasks = {task.task: task for task in history.tasks(runs, run)}
    given = {**run.record.parameters, **run.record.settings}
    made = {name for name, task in tasks.items() if task.metrics}

    def output(task: str, name: str) -> Path | None:
        where = tasks[task].outputs.get(name) if task in tasks else None
        return runs / where["path"] if where and (runs / where["path"]).exists() else None

    places = dict(description.results(output, made))
    report, model = places.get("report"), places.get("for a Pi")
    return Finished(
        run=run,
        parameters={name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()},
        metrics={
            f"{name}/{key}": float(value)
            for name, task in tasks.items()
            for key, value in task.metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        },
        curves=_curves(runs, run, tasks.get(_TRAINING)),
        report=report.parent if report else None,
        model=model,
        network=description.network(output, made) if model else None,
    )


def _curves(runs: Path, run: history.Run, task: TaskRecord | None) -> dict[str, list[tuple[int, float]]]:
    if task is None:
        return {}
    file = runs / (task.origin["run"] if task.origin else run.record.id) / description.ROUNDS
    if not file.is_file():  # nothing was trained, or its state is kept in a folder of somebody's own
        return {}
    rounds: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    names = [name for name in (rounds[0] if rounds else {}) if name != _ROUND]
    return {
        name: [(one[_ROUND], float(one[name])) for one in rounds if isinstance(one[name], int | float)]
        for name in names
    }

"""What a stopped attempt at a task left in its folder, for the next attempt: a stage that can go on from it does."""

from __future__ import annotations

from pathlib import Path

from pipelines.plan.render import EXECUTOR_OUTPUT, PARAMETERS
from pipelines.plan.tasks import Task
from pipelines.records.alive import is_alive
from pipelines.records.files import LOG_FILE, TASK_FILE, read_task
from pipelines.records.record import FAILED, RUNNING, STOPPED

# What the runner writes there itself.
_OF_RUNNER = {TASK_FILE, LOG_FILE, EXECUTOR_OUTPUT, PARAMETERS}


def take_over(runs: Path, run: str, task: Task, cache_key: str) -> tuple[str, list[str]]:
    """Moves what a stopped attempt at the same left into a task's folder.

    Results are made anew: they are there whole or not at all.

    Args:
        runs: the runs folder.
        run: the id of the run that begins the task.
        task: the task.
        cache_key: what its result depends on.

    Returns:
        The id of the run that left it, "" for none, and the names of what was moved.
    """
    former = _unfinished_run(runs, run, task.name, cache_key)
    return ("", []) if former is None else take_from(runs, run, task, former)


def take_from(runs: Path, run: str, task: Task, former: str) -> tuple[str, list[str]]:
    """Moves what the task of the same name left in the run `former`, besides its results; returns as `take_over`."""
    if not (runs / former / task.name).is_dir():
        return "", []
    left = [
        path
        for path in sorted((runs / former / task.name).iterdir())
        if path.name not in {*_OF_RUNNER, *task.outputs} and not path.name.startswith(".")
    ]
    for path in left:
        path.rename(runs / run / task.name / path.name)
    return former, [path.name for path in left]


def _unfinished_run(runs: Path, before: str, task: str, cache_key: str) -> str | None:
    """The latest earlier run in which a task of this key was stopped, failed or was lost; None when there is none."""
    for run in sorted((path.name for path in runs.iterdir() if path.name < before), reverse=True):
        record = read_task(runs, run, task)
        if record is not None and record.cache_key == cache_key:
            lost = record.state == RUNNING and not is_alive(runs, run)
            return run if lost or record.state in (STOPPED, FAILED) else None
    return None

"""What is in a runs folder: its runs, their tasks, and what these made. Nothing is cached between two calls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from pipelines.description import HEADLINE, SCORED_BY, doubts
from pipelines.plan import recipe
from pipelines.plan.tasks import PHOTOS, WORKSPACE
from pipelines.records.alive import is_alive
from pipelines.records.files import RUN_FILE, TASK_FILE, read_record
from pipelines.records.notes import Notes, read_notes
from pipelines.records.record import RUNNING, RunRecord, TaskRecord
from pipelines.records.summary import command

LOST = "lost"  # says that it is running, but its runner has ended without a word
UNREADABLE = "unreadable"  # its record cannot be read
_MOST_TASKS = 10_000


@dataclass(frozen=True)
class Run:
    """A run as it is now.

    Args:
        record: what run.json holds; of an unreadable run nothing but the id.
        state: that of the record, `LOST` or `UNREADABLE`.
        metrics: the numbers of `HEADLINE` that its `evaluate` reported.
        doubts: what whoever reads those numbers must know.
        changed: the settings that are not those of its recipe, besides the photos.
        problem: why its record cannot be read; "" when it can.
        notes: what people say of it.
    """

    record: RunRecord
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True)
class RecordedArtifact:
    """What a task made.

    Args:
        name: its name among the outputs of its task.
        kind: as `system.Model`.
        path: where it lies, absolute; of one without a file (metrics) where it would lie.
        sha256: of its content.
        metadata: what the task said of it.
        on_disk: whether there is a file or folder.
    """

    name: str
    kind: str
    path: Path
    sha256: str
    metadata: Mapping[str, Any]
    on_disk: bool


def runs(folder: Path) -> list[Run]:
    """All runs of a runs folder, newest first, those that cannot be read among them.

    Raises:
        UsageError: there is no such folder.
    """
    return sorted(filter(None, (run(folder, name) for name in run_names(folder))), key=began, reverse=True)


def began(run: Run) -> str:
    """When a run began: its id, or the same of one that docker compose made in a folder of another name."""
    if run.record.id[:1].isdigit():
        return run.record.id
    return run.record.started.replace("-", "").replace("T", "-").replace(":", "")


def tasks(folder: Path, run: Run) -> list[TaskRecord]:
    """The tasks of a run in their order, each as `task` gives it."""
    return [task(folder, run, name) for name in run.record.tasks]


def elapsed(record: RunRecord | TaskRecord, state: str) -> float | None:
    """The seconds that a run or task took, or has taken so far; None when it has not begun or was lost.

    Of a cached task those that its results took when they were made.
    """
    if isinstance(record, TaskRecord) and record.origin:
        return record.origin["seconds"]
    if record.seconds is not None or state != RUNNING or not record.started:
        return record.seconds
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(record.started)).total_seconds()
    except (ValueError, TypeError):  # no time, or one without a zone
        return None


def edges(records: Sequence[TaskRecord]) -> list[tuple[str, str]]:
    """The lines of a run's graph: pairs of a task and one that needs it."""
    names = {task.task for task in records}
    lines = []
    for task in records:
        read = [one["task"] for given in task.inputs.values() for one in given]
        # A rerun takes over the results of tasks that it does not have.
        lines += [(name, task.task) for name in dict.fromkeys([*task.after, *read]) if name in names]
    return lines


def artifacts(folder: Path, task: TaskRecord) -> list[RecordedArtifact]:
    """What a task made."""
    return [
        RecordedArtifact(
            name=name,
            kind=output["kind"],
            path=folder.absolute() / output["path"],
            sha256=output["sha256"],
            metadata=output["metadata"],
            on_disk=output["on_disk"],
        )
        for name, output in task.outputs.items()
    ]


def photos(run: Run) -> str | None:
    """The photos that a run was given; None when its pipeline has no such parameter."""
    given = run.record.parameters.get(PHOTOS)
    return None if given is None else str(given)


def parameters(folder: Path, run: Run, task: TaskRecord) -> dict[str, Any]:
    """The parameters of a task as its command got them: its workspace is a folder of the run that made its results."""
    own = folder / (task.origin["run"] if task.origin else run.record.id) / task.task
    return {
        name: value.replace(WORKSPACE, str(own)) if isinstance(value, str) else value
        for name, value in task.parameters.items()
    }


def rerun_command(folder: Path, run: Run, task: TaskRecord) -> str:
    """The command that runs a task of a run again, as it is typed."""
    return command("rerun", task.task, "--run", run.record.id, "--runs", str(folder))


def run_names(folder: Path) -> list[str]:
    """The names of the folders that may be runs, newest first; `latest` is a link to one of them."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name for entry in entries if entry.is_dir(follow_symlinks=False)), reverse=True)
    except OSError as error:
        raise UsageError(
            "There is no runs folder here.",
            received=f"{folder} ({error.strerror})",
            advice="Name it with --runs, or make a first run: facenet run -i PHOTOS.",
        ) from error


def run(folder: Path, name: str) -> Run | None:
    """The run in a folder of the runs folder; None when that is none."""
    file = folder / name / RUN_FILE
    try:
        record = read_record(file, RunRecord)
        if record.id != name:
            raise ValueError(f"its record is of the run {record.id}")
        if len(record.tasks) > _MOST_TASKS:
            raise ValueError(f"its record has {len(record.tasks):,} tasks, and may have {_MOST_TASKS:,}")
        if record.state == RUNNING and not is_alive(folder, name):
            # It may have ended since: what is written then is written before the runner ends.
            record = read_record(file, RunRecord)
            record = replace(record, state=LOST) if record.state == RUNNING else record
    except ValueError as problem:
        if not os.path.lexists(file):
            return None
        return Run(RunRecord(name, "", "", None, {}, {}, [], UNREADABLE, ""), UNREADABLE, problem=str(problem))
    said = record.metrics.get(SCORED_BY, {})
    notes = read_notes(folder, name)
    return Run(record, record.state, _metrics(said), doubts(said), _changed_settings(record), notes=notes)


def task(folder: Path, run: Run, name: str) -> TaskRecord:
    """A task of a run; one whose record cannot be read has the state `UNREADABLE`, and says why."""
    try:
        if Path(name).name != name:
            raise ValueError("this is no name of a task")
        own = folder / run.record.id / name
        if os.path.islink(own):  # noqa: PTH114 - any name is a question, also one that is too long
            raise ValueError("its folder is a link")
        record = read_record(own / TASK_FILE, TaskRecord)
    except ValueError as problem:
        return TaskRecord(name, name, UNREADABLE, message=str(problem))
    return replace(record, state=LOST) if record.state == RUNNING and run.state != RUNNING else record


def _metrics(said: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(said[name]) for name in HEADLINE if isinstance(said.get(name), int | float)}


def _changed_settings(record: RunRecord) -> dict[str, Any]:
    usual: Mapping[str, Any] = record.recipe_settings or {}
    if record.recipe_settings is None and record.recipe:  # of an earlier version, or by docker compose
        usual = _recipe(record.recipe)
    return {
        name: value
        for name, value in record.settings.items()
        if name != PHOTOS and (name not in usual or usual[name] != value)
    }


@cache
def _recipe(name: str) -> Mapping[str, Any]:
    if name not in {file.stem for file in recipe.FOLDER.glob("*.yaml")}:  # a file elsewhere: all settings are shown
        return {}
    return recipe.read(name).settings

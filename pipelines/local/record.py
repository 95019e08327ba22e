"""What a run leaves behind: `RUNS/ID/run.json`, and `RUNS/ID/TASK/task.json` per task.

The records are the interface of everything that looks at runs: the cache, the summary, and whatever comes later. They
are written whole after each change. Paths below the runs folder are relative to it, so that it can be moved.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.common.atomic import write_file
from components.common.errors import UsageError

SCHEMA_VERSION = 2
_LISTED = 5

PENDING = "pending"  # not yet begun
RUNNING = "running"
SUCCEEDED = "succeeded"
CACHED = "cached"  # answered with the artifacts of an earlier run
FAILED = "failed"
SKIPPED = "skipped"  # a task that it needs is not done
STOPPED = "stopped"  # by Ctrl-C or a signal


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class TaskRecord:
    """One task of a run.

    Args:
        task: its name in the pipeline.
        label: its name for people.
        state: one of the states above.
        parameters: the values of its parameters.
        inputs: by name a list, of one where the input is no list: `path`, `sha256`, the `task` that it came from.
        command: as it was run, placeholders filled in; empty for an import.
        outputs: by name: `path`, `kind`, `sha256`, `metadata`.
        output_parameters: the values it handed on.
        metrics: the numbers it reported.
        log: what it printed; None when nothing was run.
        cache_key: of its code, parameters and inputs; None when it may not be cached.
        origin: of a cached task: the `run` that made the artifacts, and the `seconds` that took.
        started: ISO time in UTC.
        ended: ISO time in UTC.
        seconds: between the two.
        exit_code: of its process.
        message: why it failed, beyond its exit code.
        template: its name in the pipeline's file, which the shards of a task have in common.
    """

    task: str
    label: str
    state: str = PENDING
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    output_parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    log: str | None = None
    cache_key: str | None = None
    origin: dict[str, Any] | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    exit_code: int | None = None
    message: str | None = None
    template: str = ""
    schema_version: int = SCHEMA_VERSION


@dataclass
class RunRecord:
    """One run: which pipeline, with what settings, and how it ended.

    Args:
        id: the time it began, in UTC; unique in the runs folder.
        pipeline: the pipeline's name.
        pipeline_file: where it was read.
        recipe: the recipe's name, or None.
        settings: the parameters that differ from the pipeline's defaults, as recipe and user gave them.
        parameters: the values of the pipeline's parameters.
        tasks: the names of its tasks in order.
        state: running, succeeded, failed or stopped.
        started: ISO time in UTC.
        ended: ISO time in UTC.
        seconds: between the two.
        runner: "process" or "compose".
        origin: the run that this one repeats a part of, or None.
    """

    id: str
    pipeline: str
    pipeline_file: str
    recipe: str | None
    settings: dict[str, Any]
    parameters: dict[str, Any]
    tasks: list[str]
    state: str = RUNNING
    started: str = field(default_factory=now)
    ended: str | None = None
    seconds: float | None = None
    runner: str = "process"
    origin: str | None = None
    schema_version: int = SCHEMA_VERSION


def new_run(runs: Path) -> str:
    """Makes the folder of a new run, and points `RUNS/latest` to it.

    Returns:
        The id of the run: ids sort by time, and no two runs have the same.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            identifier = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
            try:
                (runs / identifier).mkdir()
                break
            except FileExistsError:  # another run began in the same millisecond
                time.sleep(0.001)
        link = runs / f".latest-{identifier}"
        link.symlink_to(identifier)
        link.replace(runs / "latest")
    except OSError as error:
        raise UsageError(
            "The runs folder cannot be written to.",
            received=f"{runs} ({error.strerror})",
            advice="Choose another one with --runs.",
        ) from error
    return identifier


def stored(path: Path, runs: Path) -> str:
    """A path as the records write it: relative to the runs folder when it lies there."""
    return path.relative_to(runs).as_posix() if path.is_relative_to(runs) else str(path)


def located(text: str, runs: Path) -> Path:
    """The path that a record means."""
    return runs / text


def write_run(runs: Path, record: RunRecord) -> None:
    """Writes run.json."""
    _write(runs / record.id / "run.json", asdict(record))


def write_task(runs: Path, run: str, record: TaskRecord) -> None:
    """Writes task.json."""
    _write(runs / run / record.task / "task.json", asdict(record))


def read_run(runs: Path, run: str) -> RunRecord:
    """Reads run.json.

    Raises:
        UsageError: there is no such run, or its record is not of this version.
    """
    try:
        record = json.loads((runs / run / "run.json").read_text(encoding="utf-8"))
        if record["schema_version"] == SCHEMA_VERSION:
            return RunRecord(**record)
        problem = f"its record has version {record['schema_version']}, not {SCHEMA_VERSION}"
    except (OSError, ValueError, LookupError, TypeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    known = sorted((path.parent.name for path in runs.glob("*/run.json") if not path.parent.is_symlink()), reverse=True)
    listed = ", ".join(known[:_LISTED]) or "none yet: `facenet run` makes one"
    raise UsageError(
        "There is no such run.", received=f"{run} in {runs} ({problem})", advice=f"The latest runs there: {listed}."
    )


def read_task(runs: Path, run: str, task: str) -> TaskRecord | None:
    """Reads task.json; None when it is not there, or not of this version."""
    try:
        record = json.loads((runs / run / task / "task.json").read_text(encoding="utf-8"))
        return TaskRecord(**record) if record["schema_version"] == SCHEMA_VERSION else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def unfinished(runs: Path, before: str, task: str, cache_key: str) -> str | None:
    """The latest earlier run in which a task of this key was stopped or failed; None when there is none.

    Args:
        runs: the runs folder.
        before: the id of the run that asks.
        task: its task.
        cache_key: what the task's result depends on.
    """
    for run in sorted((path.name for path in runs.iterdir() if path.name < before), reverse=True):
        record = read_task(runs, run, task)
        if record is not None and record.cache_key == cache_key:
            return run if record.state in (STOPPED, FAILED) else None
    return None


def _write(file: Path, record: Mapping[str, Any]) -> None:
    write_file(file, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + os.linesep)

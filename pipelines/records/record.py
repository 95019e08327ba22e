"""What a run leaves behind: `RUNS/ID/run.json`, and `RUNS/ID/TASK/task.json` per task.

The records are the interface of everything that looks at runs: the cache, the summary, `pipelines/look`. They
are written whole after each change. Paths below the runs folder are relative to it, so that it can be moved.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, TypedDict, TypeVar, get_args, get_origin, get_type_hints

from components.common.atomic import write_file
from components.common.errors import MALFORMED, UsageError
from components.common.records import is_version, read_json
from components.common.suggest import near
from pipelines.records.alive import is_alive

SCHEMA_VERSION = 2
_LISTED = 5
# Of a record: one of a thousand shards has a few hundred thousand.
_MOST_BYTES = 2**24

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


class Input(TypedDict):
    """An input of a task: the task that it came from, where it lies, its content's SHA-256."""

    task: str
    path: str
    sha256: str


class Output(TypedDict):
    """An output of a task: where it lies or would lie, its type, its content's SHA-256, what the task said of it."""

    path: str
    kind: str
    sha256: str
    metadata: dict[str, Any]
    on_disk: bool


class Origin(TypedDict):
    """What answered a cached task: the run that made the artifacts, and the seconds that took."""

    run: str
    seconds: float | None


@dataclass
class TaskRecord:
    """One task of a run.

    Args:
        task: its name in the pipeline.
        label: its name for people.
        state: one of the states above.
        parameters: the values of its parameters.
        inputs: by name a list, of one where the input is no list.
        command: as it was run, placeholders filled in; empty for an import.
        outputs: by name.
        output_parameters: the values it handed on.
        metrics: the numbers it reported.
        log: what it printed; None when nothing was run.
        cache_key: of its code, parameters and inputs; None when it may not be cached.
        origin: of a cached task.
        started: ISO time in UTC.
        ended: ISO time in UTC.
        seconds: between the two.
        exit_code: of its process.
        message: why it failed, beyond its exit code.
        template: its name in the pipeline's file, which the shards of a task have in common.
        after: the tasks of the run that must be done before it.
        cpu_seconds: the processor time that it took, user and system; None when unknown.
        peak_bytes: the most memory that it held at one time; None when unknown.
    """

    task: str
    label: str
    state: str = PENDING
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, list[Input]] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    outputs: dict[str, Output] = field(default_factory=dict)
    output_parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    log: str | None = None
    cache_key: str | None = None
    origin: Origin | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    exit_code: int | None = None
    message: str | None = None
    template: str = ""
    after: list[str] = field(default_factory=list)
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass
class RunRecord:
    """One run: which pipeline, with what settings, and how it ended.

    Args:
        id: the time it began, in UTC; of a run by docker compose the name of its folder. Unique in the runs folder.
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
        recipe_settings: what of the settings is the recipe's; None when it was not noted.
        metrics: the numbers that its tasks reported so far, by task: a list of runs reads one file of each.
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
    recipe_settings: dict[str, Any] | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


def new_run(runs: Path) -> str:
    """Makes the folder of a new run.

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
    except OSError as error:
        raise unusable(runs, error) from error
    return identifier


def point_latest(runs: Path, run: str) -> None:
    """Points `RUNS/latest` to a run whose records are there: after a kill at any time it is one that can be read."""
    link = runs / f".latest-{run}"
    try:
        if make_link(link, Path(run)):
            link.replace(runs / "latest")
        else:
            print(f"Without {runs / 'latest'}: this file system has no links.", file=sys.stderr)
    except OSError as error:
        raise unusable(runs, error) from error


def make_link(link: Path, target: Path) -> bool:
    """Makes a link, which is a convenience for people; says whether the file system has links (FAT has none)."""
    try:
        link.symlink_to(target)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            return False
        raise
    return True


def unusable(runs: Path, error: OSError) -> UsageError:
    """The error for a runs folder that cannot be made or written to."""
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    return UsageError(
        "The runs folder cannot be written to.",
        received=f"{runs} ({'a file is in the way' if in_the_way else error.strerror})",
        advice="Choose another one with --runs.",
    )


def stored(path: Path, runs: Path) -> str:
    """A path as the records write it: relative to the runs folder when it lies there."""
    return path.relative_to(runs).as_posix() if path.is_relative_to(runs) else str(path)


def located(text: str, runs: Path) -> Path:
    """The path that a record means."""
    return runs / text


def write_run(runs: Path, record: RunRecord) -> None:
    """Writes run.json."""
    _write(runs / record.id / "run.json", vars(record))


def write_task(runs: Path, run: str, record: TaskRecord) -> None:
    """Writes task.json.

    What waits or was answered from the cache is the first to be lost with the machine: the next run finds it out again.
    """
    _write(runs / run / record.task / "task.json", vars(record), durable=record.state not in (PENDING, CACHED))


def read_run(runs: Path, run: str) -> RunRecord:
    """Reads run.json.

    Raises:
        UsageError: there is no such run, or its record is not of this version.
    """
    try:
        return parsed(runs / run / "run.json", RunRecord)
    except ValueError as problem:
        known = sorted(path.parent.name for path in runs.glob("*/run.json") if not path.parent.is_symlink())
        listed = ", ".join(known[: -_LISTED - 1 : -1]) or "none yet: `facenet run` makes one"
        linked = ["latest"] if (runs / "latest").exists() else []
        alike = near(run, [*linked, *known]) if run not in (*known, "latest") else []
        raise UsageError(
            "There is no such run.",
            received=f"{run} in {runs} ({problem})",
            advice=f"Did you mean {' or '.join(alike)}?" if alike else f"The latest runs there: {listed}.",
        ) from problem


def read_task(runs: Path, run: str, task: str) -> TaskRecord | None:
    """Reads task.json; None when it is not there, or not of this version."""
    try:
        return parsed(runs / run / task / "task.json", TaskRecord)
    except ValueError:
        return None


Record = TypeVar("Record", RunRecord, TaskRecord)


# The types of all fields.
_DECLARED: dict[Any, dict[str, Any]] = {
    one: get_type_hints(one) for one in (RunRecord, TaskRecord, Input, Output, Origin)
}


def parsed(file: Path, kind: type[Record]) -> Record:
    """Reads a record.

    Raises:
        ValueError: it cannot be read, or is not of this version; in words for people.
    """
    try:
        # Anything may lie in a folder of runs: to open a pipe is to wait for whoever writes into it.
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("its record is no plain file")
        if found.st_size > _MOST_BYTES:
            raise ValueError(f"its record has {found.st_size:,} bytes, and may have {_MOST_BYTES:,}")
        record = read_json(file.read_bytes())
    except (OSError, *MALFORMED) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from error
    if not isinstance(record, dict) or not is_version(record.get("schema_version"), SCHEMA_VERSION):
        version = record.get("schema_version") if isinstance(record, dict) else None
        raise ValueError(f"its record has version {version}, not {SCHEMA_VERSION}")
    for name, type_ in _DECLARED[kind].items():
        if name in record and not _fits(record[name], type_):
            raise ValueError(f"its record has no such {name} as this version of the program")
    try:
        return kind(**record)
    except TypeError as error:
        raise ValueError(f"its record is of another version of this program: {error}") from error


def _fits(value: Any, type_: Any) -> bool:
    """Whether a value of a JSON file is of a type that a record declares."""
    container, inner = get_origin(type_), get_args(type_)
    if container is UnionType:
        return any(_fits(value, one) for one in inner)
    if type_ in _DECLARED:
        fields = _DECLARED[type_].items()
        return isinstance(value, dict) and all(name in value and _fits(value[name], one) for name, one in fields)
    if container is not None:  # of a dict the keys are text in any case
        if not isinstance(value, container) or inner[-1] is Any:
            return isinstance(value, container)
        return all(_fits(one, inner[-1]) for one in (value.values() if container is dict else value))
    if isinstance(value, bool):
        return type_ is bool  # to Python it is a number too
    return isinstance(value, int | float if type_ is float else type_)


def unfinished(runs: Path, before: str, task: str, cache_key: str) -> str | None:
    """The latest earlier run in which a task of this key was stopped, failed or was lost; None when there is none.

    Args:
        runs: the runs folder.
        before: the id of the run that asks.
        task: its task.
        cache_key: what the task's result depends on.
    """
    for run in sorted((path.name for path in runs.iterdir() if path.name < before), reverse=True):
        record = read_task(runs, run, task)
        if record is not None and record.cache_key == cache_key:
            lost = record.state == RUNNING and not is_alive(runs, run)
            return run if lost or record.state in (STOPPED, FAILED) else None
    return None


def _write(file: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + os.linesep
    write_file(file, text, durable=durable)

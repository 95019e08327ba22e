"""The records of runs as files: `RUNS/ID/run.json`, and `RUNS/ID/TASK/task.json` per task, written whole each time."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from components.common.atomic import write_file
from components.common.errors import MALFORMED, UsageError
from components.common.records import is_version, read_json
from pipelines.records.record import (
    CACHED,
    PENDING,
    SCHEMA_VERSION,
    Input,
    Origin,
    Output,
    RunRecord,
    TaskRecord,
)
from pipelines.records.search import SEARCH_FILE, SEARCHES, Part, SearchRecord, Trial

RUN_FILE, TASK_FILE, LOG_FILE = "run.json", "task.json", "log.txt"
# Of a record: one of a thousand shards has a few hundred thousand.
_MOST_BYTES = 2**24

Record = TypeVar("Record", RunRecord, TaskRecord, SearchRecord)

# The types of all fields.
_DECLARED: dict[Any, dict[str, Any]] = {
    one: get_type_hints(one) for one in (RunRecord, TaskRecord, SearchRecord, Input, Output, Origin, Trial, Part)
}


def path_for_record(path: Path, runs: Path) -> str:
    """A path as the records write it: relative to the runs folder when it lies there."""
    return path.relative_to(runs).as_posix() if path.is_relative_to(runs) else str(path)


def write_run(runs: Path, record: RunRecord) -> None:
    """Writes run.json."""
    _write(runs / record.id / RUN_FILE, vars(record))


def write_task(runs: Path, run: str, record: TaskRecord) -> None:
    """Writes task.json.

    What waits or was answered from the cache is the first to be lost with the machine: the next run finds it out again.
    """
    _write(runs / run / record.task / TASK_FILE, vars(record), durable=record.state not in (PENDING, CACHED))


def write_search(runs: Path, record: SearchRecord) -> None:
    """Writes search.json."""
    _write(runs / SEARCHES / record.id / SEARCH_FILE, vars(record))


def read_search(runs: Path, name: str) -> SearchRecord | None:
    """Reads search.json; None when it is not there, or not of this version."""
    try:
        return read_record(runs / SEARCHES / name / SEARCH_FILE, SearchRecord)
    except ValueError:
        return None


def read_run(runs: Path, run: str) -> RunRecord:
    """Reads run.json.

    Raises:
        UsageError: there is no such run, or its record is not of this version.
    """
    try:
        return read_record(runs / run / RUN_FILE, RunRecord)
    except ValueError as problem:
        raise UsageError(
            "There is no such run.",
            received=f"{run} in {runs} ({problem})",
            advice="Is it the right runs folder? `facenet runs` lists what is in one.",
        ) from problem


def read_task(runs: Path, run: str, task: str) -> TaskRecord | None:
    """Reads task.json; None when it is not there, or not of this version."""
    try:
        return read_record(runs / run / task / TASK_FILE, TaskRecord)
    except ValueError:
        return None


def read_record(file: Path, kind: type[Record]) -> Record:
    """Reads a record.

    Raises:
        ValueError: it cannot be read, or is not of this version; in words for people.
    """
    try:
        # Anything may lie in a folder of runs: to open a pipe is to wait for whoever writes into it.
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("its record is no plain file")
        if status.st_size > _MOST_BYTES:
            raise ValueError(f"its record has {status.st_size:,} bytes, and may have {_MOST_BYTES:,}")
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


def _write(file: Path, record: Mapping[str, Any], *, durable: bool = True) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + os.linesep
    write_file(file, text, durable=durable)

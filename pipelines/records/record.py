"""What is known of a run and of each of its tasks: the states they are in, and all that their records say.

The records are the interface of everything that looks at runs: the cache, the summary, `pipelines/look`. Paths below
the runs folder are relative to it, so that it can be moved: `runs / path` is the place of either kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

SCHEMA_VERSION = 2

PENDING = "pending"  # not yet begun
RUNNING = "running"
SUCCEEDED = "succeeded"
CACHED = "cached"  # answered with the artifacts of an earlier run
FAILED = "failed"
SKIPPED = "skipped"  # a task that it needs is not done
STOPPED = "stopped"  # by Ctrl-C or a signal
DONE = (SUCCEEDED, CACHED)


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

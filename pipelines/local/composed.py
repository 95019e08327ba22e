"""Records a run by `docker compose`, from inside its containers: beside this package they hold one component's code.

    python -m pipelines.local.composed FOLDER begin JSON        # the service `begin`: a new run, all its tasks pending
    python -m pipelines.local.composed FOLDER TASK COMMAND...   # that of a task: runs its command, notes how it ended

FOLDER is the run's, as the containers see it. On the host it has the name that the variable RUNS ends with.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.common.command import report_errors
from components.common.errors import UsageError
from pipelines.cache.content import TABLES, Contents
from pipelines.local import processes
from pipelines.local.processes import Ended, Invocation
from pipelines.local.results import collect, record_end
from pipelines.local.schedule import side_by_side
from pipelines.plan.render import EXECUTOR_OUTPUT
from pipelines.plan.tasks import PHOTOS, Container
from pipelines.records.alive import alive_in_turn
from pipelines.records.files import LOG_FILE, read_run, read_task, write_run, write_task
from pipelines.records.lock import share
from pipelines.records.record import (
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    Input,
    RunRecord,
    TaskRecord,
    now,
)

# Where an image has its component's code: see docker/Dockerfile.
_CODE = Path("/app")


def begin(runs: Path, run: str, described: Mapping[str, Any], photos: str) -> None:
    """Writes the records of a run that begins, in the place of those of a former one.

    Args:
        runs: the runs folder.
        run: the run's name.
        described: what `pipelines.compose` says of the run and of each task, as far as fields of their records.
        photos: where the photos are on the host.
    """
    about = dict(described["run"])
    for given in ("settings", "parameters"):
        about[given] = {**about[given], PHOTOS: photos}
    for task in described["tasks"]:
        write_task(runs, run, TaskRecord(**task))
    names = [task["task"] for task in described["tasks"]]
    write_run(runs, RunRecord(id=run, tasks=names, runner="compose", **about))


def execute(runs: Path, run: str, folder: Path, name: str, command: Sequence[str], lock: int | None) -> int:
    """Runs a task, and records it.

    Args:
        runs: the runs folder.
        run: the run's name there.
        folder: the run's folder as the command names it.
        name: the task.
        command: what to run.
        lock: of the run's folder, which the command inherits.

    Returns:
        The command's exit code, or 1 when what it left is not what it was to leave.

    Raises:
        UsageError: no run has begun there.
    """
    pending = read_task(runs, run, name) or TaskRecord(name, name)
    record = TaskRecord(name, pending.label, RUNNING, template=pending.template, after=pending.after)
    # Kubeflow's description of the task, in the words that a component gets it.
    given = json.loads(dict(itertools.pairwise(command)).get("--executor_input", "{}"))
    read = given.get("inputs", {"artifacts": {}, "parameterValues": {}})
    record.command, record.parameters, record.started = list(command), read["parameterValues"], now()
    record.inputs = {
        key: [_input(runs, run, folder, one["uri"]) for one in listed["artifacts"]]
        for key, listed in read["artifacts"].items()
    }
    record.log = f"{run}/{name}/{LOG_FILE}"
    _update(runs, run, record)
    own = folder / name
    # What a former run's task said is not this one's.
    (own / EXECUTOR_OUTPUT).unlink(missing_ok=True)
    clock = time.perf_counter()
    try:
        ended = _run(Invocation(name, Container((), {}), tuple(command), own, (), own / LOG_FILE), lock)
        listed = given.get("outputs", {"artifacts": {}})["artifacts"]
        kinds = {key: one["artifacts"][0]["type"]["schemaTitle"] for key, one in listed.items()}
        record_end(record, run, ended, partial(collect, kinds, {}, own, _contents()))
        if record.message:
            print(f"{name}: {record.message}", flush=True)
        return ended.exit_code or int(record.state == FAILED)
    except BaseException:
        record.state = STOPPED
        raise
    finally:
        record.ended, record.seconds = now(), round(time.perf_counter() - clock, 3)
        _update(runs, run, record)


def _input(runs: Path, run: str, folder: Path, uri: str) -> Input:
    """An input of a task: what another task made, or else the photos, whose content nobody here looks at."""
    if not Path(uri).is_relative_to(folder):
        return {"task": "", "path": str(read_run(runs, run).parameters[PHOTOS]), "sha256": ""}
    place = Path(uri).relative_to(folder)
    task, name = place.parts
    maker = read_task(runs, run, task)
    sha256 = maker.outputs[name]["sha256"] if maker and name in maker.outputs else ""
    return {"task": task, "path": f"{run}/{place}", "sha256": sha256}


def _run(invocation: Invocation, lock: int | None) -> Ended:
    """Runs a command as `facenet run` does: logged, measured, told to stop when this process is."""
    waiting, ended = [invocation], list[Ended]()
    back_end = processes.back_end(_CODE, lambda line: print(line.removeprefix("| "), flush=True), lock)
    side_by_side(
        back_end,
        lambda: [waiting.pop()] if waiting else [],
        lambda one, _: one,
        lambda _, how: ended.append(how),
    )
    return ended[0]


def _contents() -> Contents:
    """What hashes files, without remembering them: no other run asks."""
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    return Contents(database)


def _update(runs: Path, run: str, changed: TaskRecord) -> None:
    """Writes a task's record, and what has become of its run by that."""
    with _alone(runs / run):
        record = read_run(runs, run)
        tasks = [changed if name == changed.task else read_task(runs, run, name) for name in record.tasks]
        states = {task.state for task in tasks if task is not None}
        record.state = _state(states)
        if changed.metrics:
            record.metrics[changed.task] = changed.metrics
        over = record.state != RUNNING
        record.ended = changed.ended if over else None
        record.seconds = _seconds_between(record.started, record.ended) if record.ended else None
        write_task(runs, run, changed)
        for task in tasks:
            if over and task is not None and task.state == PENDING:
                task.state, task.message = SKIPPED, f"{changed.task} is not done"
                write_task(runs, run, task)
        write_run(runs, record)


def _state(states: set[str]) -> str:
    """The state of a run whose tasks have these states."""
    if RUNNING in states:
        return RUNNING
    ends = [state for state in (STOPPED, FAILED) if state in states]
    return ends[0] if ends else SUCCEEDED if states == {SUCCEEDED} else RUNNING


def _seconds_between(one: str, other: str) -> float:
    return round((datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds(), 3)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one container at a time change the run's record; the lock ends with its process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _service(folder: Path, what: str, rest: Sequence[str]) -> int:
    name = Path(os.environ["RUNS"]).name
    if name in ("", ".."):
        raise UsageError(
            "RUNS does not name the run's folder.",
            received=os.environ["RUNS"],
            advice="Write its whole path: RUNS=$PWD/runs/compose.",
        )
    with TemporaryDirectory() as above:
        # So that the records are written as in every runs folder, by the names that things have on the host.
        runs = Path(above)
        (runs / name).symlink_to(folder)
        with share(folder) as lock, alive_in_turn(runs, name):
            if what == "begin":
                begin(runs, name, json.loads(rest[0]), os.environ["PHOTOS"])
                return 0
            return execute(runs, name, folder, what, rest, lock)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a service."""
    folder, what, *rest = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    return report_errors(lambda: _service(Path(folder), what, rest), prog=what)


if __name__ == "__main__":
    sys.exit(main())

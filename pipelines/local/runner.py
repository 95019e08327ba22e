"""Runs a pipeline: every task after those it needs, answered from the cache or executed, and recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from components.common.errors import UsageError
from pipelines.cache.cache import Cache
from pipelines.cache.ingredients import Ingredients
from pipelines.cache.named import files_named
from pipelines.local.leftovers import take_from, take_over
from pipelines.local.processes import BackEnd, Ended, Invocation
from pipelines.local.results import collect, output_of, record_end
from pipelines.local.schedule import side_by_side
from pipelines.plan.check import local_path
from pipelines.plan.render import PARAMETERS, Artifact, executor_input, render
from pipelines.plan.tasks import Container, Importer, Pipeline, Task, parameter_values
from pipelines.records.alive import alive
from pipelines.records.files import LOG_FILE, path_for_record, write_run, write_task
from pipelines.records.folder import make_link, point_latest
from pipelines.records.record import (
    CACHED,
    DONE,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    RunRecord,
    TaskRecord,
    now,
)

_ENDED = (*DONE, FAILED, SKIPPED)


@dataclass(frozen=True)
class Attempt:
    """A task that is to be executed, since when it is ready, and what it is made from if it is to be remembered."""

    task: Task
    record: TaskRecord
    invocation: Invocation
    clock: float
    ingredients: Ingredients | None


@dataclass
class Runner:
    """One run of a pipeline.

    Args:
        pipeline: what to run.
        run: the record of the run; its folder exists.
        runs: the runs folder, absolute.
        cache: where answers are looked up and noted.
        back_end: what executes tasks.
        say: is given a line for people whenever a task changes its state.
        anew: the tasks that are executed whatever the cache holds.
        answered: the tasks that the cache must answer.
        given: the records of tasks of an earlier run whose results are taken over, whatever made them.
        goes_on_from: the run whose task of that name, though it ended well, left what a task is to go on from.
    """

    pipeline: Pipeline
    run: RunRecord
    runs: Path
    cache: Cache
    back_end: BackEnd
    say: Callable[[str], None]
    anew: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    given: Mapping[str, TaskRecord] = field(default_factory=dict)
    goes_on_from: Mapping[str, str] = field(default_factory=dict)
    tasks: dict[str, TaskRecord] = field(init=False)

    def __post_init__(self) -> None:
        names = [task.name for task in self.pipeline.tasks]
        self.tasks = {
            task.name: TaskRecord(
                task.name, task.label, template=task.template, after=[name for name in names if name in task.after]
            )
            for task in self.pipeline.tasks
        }
        self._waiting = list(self.pipeline.tasks)
        self._values = self.pipeline.values()
        self._width = max(len(task.label) for task in self.pipeline.tasks)

    def __call__(self) -> None:
        """Runs the tasks. The records say how each ended; an exception goes on after they are written.

        Raises:
            UsageError: a task has an input without a value, or one that the cache must answer is not answered.
            KeyboardInterrupt, SystemExit: the run was stopped.
        """
        with self.begun():
            side_by_side(self.back_end, self.ready, self.start, self.finish)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """The time in which the run's tasks are run, by whoever calls `ready`, `start` and `finish`; see `__call__`."""
        with alive(self.runs, self.run.id), self._recorded():
            yield

    @property
    def over(self) -> bool:
        """Whether every task has ended."""
        return all(record.state in _ENDED for record in self.tasks.values())

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        clock = time.perf_counter()
        state = STOPPED
        try:
            write_run(self.runs, self.run)
            for record in self.tasks.values():
                self._write(record)
            point_latest(self.runs, self.run.id)
            yield
            done = all(record.state in DONE for record in self.tasks.values())
            state = SUCCEEDED if done else FAILED
        except Exception:
            state = FAILED
            raise
        finally:
            for record in self.tasks.values():
                if record.state in (PENDING, RUNNING):
                    record.state = STOPPED if record.state == RUNNING else SKIPPED
                    self._write(record)
            self.run.state, self.run.ended = state, now()
            self.run.seconds = round(time.perf_counter() - clock, 3)
            write_run(self.runs, self.run)

    def _write(self, record: TaskRecord) -> None:
        write_task(self.runs, self.run.id, record)

    def _report(self, task: Task, state: str, detail: str = "") -> None:
        self.say(f"{task.label:<{self._width}}  {state:<9}  {detail}".rstrip())

    def ready(self) -> Iterator[Attempt]:
        """Goes through the tasks whose needs have ended; gives those that are to be executed."""
        for task in list(self._waiting):
            if task.name in self.given or all(self.tasks[name].state in _ENDED for name in task.after):
                self._waiting.remove(task)
                attempt = self._begin(task)
                if attempt is not None:
                    yield attempt

    def _begin(self, task: Task) -> Attempt | None:
        """Answers a task without executing it, where that can be; else says how to execute it."""
        record = self.tasks[task.name]
        if task.name in self.given:
            made = self.given[task.name]
            record.started = record.ended = now()
            record.parameters, record.inputs, record.cache_key = made.parameters, made.inputs, made.cache_key
            record.seconds = 0.0
            self._adopt(record, made)
            self._end(task, record)
            return None
        missing = [name for name in sorted(task.after) if self.tasks[name].state not in DONE]
        if missing:
            record.state, record.message = SKIPPED, f"{', '.join(missing)} is not done"
            self._write(record)
            self._report(task, "skipped", f"needs {', '.join(missing)}")
            return None
        record.started, clock = now(), time.perf_counter()
        inputs = self._inputs(task)
        handed_on = {name: done.output_parameters for name, done in self.tasks.items()}
        record.parameters = parameter_values(task, self._values, handed_on)
        record.inputs = {
            name: [
                {"task": origin.task, "path": path_for_record(one.path, self.runs), "sha256": one.sha256}
                for origin, one in zip(task.artifacts[name], artifacts, strict=True)
            ]
            for name, artifacts in inputs.items()
        }
        ingredients = self.cache.ingredients(task, record.parameters, inputs)
        record.cache_key = ingredients.key if ingredients else None
        if not self._answer(task, record):
            if task.name in self.answered:
                raise UsageError(
                    f"The cache does not hold the result of {task.name}, which --from takes for granted.",
                    advice="Run without --from: what is not in the cache is run then.",
                )
            if not isinstance(task.executor, Importer):
                invocation = self._invocation(task, task.executor, record, inputs)
                if ingredients:
                    ingredients.begin()
                return Attempt(task, record, invocation, clock, ingredients)
            self._import(task.executor, task, record)
        self._end(task, record, clock)
        return None

    def _end(self, task: Task, record: TaskRecord, clock: float | None = None) -> None:
        if clock is not None:
            record.ended, record.seconds = now(), round(time.perf_counter() - clock, 3)
        self._write(record)
        if record.metrics:
            self.run.metrics[task.name] = record.metrics
            if record.state != CACHED:  # many of those end at once; the next writing has their metrics too
                write_run(self.runs, self.run)
        if record.state == CACHED and record.origin:
            self._report(task, "cached", f"made by run {record.origin['run']}")
        elif record.state == FAILED:
            self._report(task, "failed", record.message or "")
        elif isinstance(task.executor, Importer):
            self._report(task, "found", str(self._artifacts(task.name)["artifact"].path))
        else:
            self._report(task, "done", f"{record.seconds:.1f} s")

    def _artifacts(self, task: str) -> dict[str, Artifact]:
        return {
            name: Artifact(self.runs / output["path"], output["kind"], output["sha256"], output["metadata"])
            for name, output in self.tasks[task].outputs.items()
        }

    def _inputs(self, task: Task) -> dict[str, list[Artifact]]:
        return {
            name: [self._artifacts(origin.task)[origin.name] for origin in origins]
            for name, origins in task.artifacts.items()
        }

    def _answer(self, task: Task, record: TaskRecord) -> bool:
        """Takes over what the cache holds for a task, if anything."""
        if record.cache_key is None or task.name in self.anew:
            return False
        answer = self.cache.answer(record.cache_key)
        if answer is None:
            return False
        run, made = answer
        self._adopt(record, made)
        record.origin = {"run": run, "seconds": made.seconds}
        return True

    def _adopt(self, record: TaskRecord, made: TaskRecord) -> None:
        """Takes over the results that another record states."""
        record.state, record.origin = CACHED, made.origin
        record.outputs, record.output_parameters = made.outputs, made.output_parameters
        record.metrics, record.log, record.command = made.metrics, made.log, made.command
        record.cpu_seconds, record.peak_bytes = made.cpu_seconds, made.peak_bytes
        for name, output in made.outputs.items():
            if output["on_disk"] and self.runs.joinpath(output["path"]).is_relative_to(self.runs):
                # So that `runs/latest` shows the whole result.
                link = self.runs / self.run.id / record.task / name
                make_link(link, Path("../..") / output["path"])

    def _invocation(
        self, task: Task, container: Container, record: TaskRecord, inputs: Mapping[str, Sequence[Artifact]]
    ) -> Invocation:
        folder = self.runs / self.run.id / task.name
        if task.output_parameters:
            (folder / PARAMETERS).mkdir()
        description = executor_input(task, record.parameters, inputs, folder)
        record.command = render(container.command, description)
        return Invocation(
            # Two runs folders may have a run of the same millisecond.
            name=f"{self.run.id}-{task.name}-{os.getpid()}",
            executor=container,
            command=tuple(record.command),
            folder=folder,
            inputs=(
                *(artifact.path for artifacts in inputs.values() for artifact in artifacts),
                *files_named(record.parameters).values(),
            ),
            log=folder / LOG_FILE,
        )

    def start(self, attempt: Attempt, cores: tuple[int, ...]) -> Invocation:
        """Says how to execute a task, on these processors, or on all when there are none."""
        record = attempt.record
        record.state, record.log = RUNNING, path_for_record(attempt.invocation.log, self.runs)
        self._write(record)
        if record.cache_key is not None and attempt.task.name not in self.anew:
            former, left = take_over(self.runs, self.run.id, attempt.task, record.cache_key)
            if not left and attempt.task.name in self.goes_on_from:
                former, left = take_from(self.runs, self.run.id, attempt.task, self.goes_on_from[attempt.task.name])
            if left:
                self._report(attempt.task, "going on", f"with what run {former} left: {', '.join(left)}")
        self._report(attempt.task, "running", f"on {len(cores)} processors" if cores else "")
        return replace(attempt.invocation, cores=cores)

    def finish(self, attempt: Attempt, ended: Ended) -> None:
        """Records how a task ended."""
        task, record, folder = attempt.task, attempt.record, attempt.invocation.folder
        changed = attempt.ingredients.changed() if attempt.ingredients else []
        if changed:
            # What it was made from nobody knows: no answer to a later run, and nothing for one to go on from.
            record.cache_key = None
            reason = f"{', '.join(changed)} changed while it ran"
            record.message = f"not cached: {reason}"
            self._report(task, "not cached", reason)
        results = partial(collect, task.outputs, task.output_parameters, folder, self.cache.contents)
        record_end(record, self.run.id, ended, results)
        if record.state == SUCCEEDED and record.cache_key:
            self._write(record)  # before the cache points to it
            self.cache.remember(record.cache_key, self.run.id, task.name)
        self._end(task, record, attempt.clock)

    def _import(self, importer: Importer, task: Task, record: TaskRecord) -> None:
        path = local_path(str(record.parameters[importer.parameter]))
        (name, kind), *_ = task.outputs.items()
        sha256 = self.cache.contents.sha256(path)
        record.outputs = {name: output_of(Artifact(path, kind, sha256), path_for_record(path, self.runs))}
        record.state = SUCCEEDED

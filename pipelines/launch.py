"""What `facenet run` and `facenet rerun` share: from a configured pipeline to a finished run, with words for people."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from components.common.errors import FacenetError, UsageError
from components.specification import images
from components.specification.code import Names, code_of, module_of, sha256_of, sha256_of_code
from pipelines.cache.cache import Cache, out_of_use
from pipelines.cache.conditions import packages, packages_of_image, variables
from pipelines.cache.ingredients import Program
from pipelines.local import processes
from pipelines.local.processes import BackEnd
from pipelines.local.runner import Runner
from pipelines.look.log import log_end, log_file
from pipelines.plan.changes import in_words
from pipelines.plan.tasks import Container, Pipeline
from pipelines.plan.values import Value
from pipelines.records.folder import new_run
from pipelines.records.record import FAILED, RunRecord, TaskRecord
from pipelines.records.summary import short_path, summary

RunnerName = Literal["process", "compose"]


@dataclass(frozen=True)
class Launch:
    """A run that is about to begin.

    Args:
        pipeline: what to run, every parameter with its value.
        pipeline_file: where it was read.
        recipe: the recipe's name, or None.
        settings: the parameters that differ from the pipeline's defaults.
        recipe_settings: what of them is the recipe's; None when nobody knows.
        runs: the runs folder, absolute.
        runner: "process" or "compose".
        lock: of the runs folder, which the run holds: `lock.share`.
        anew: the tasks that are executed whatever the cache holds.
        answered: the tasks that the cache must answer.
        origin: the run that this one repeats a part of, or None.
        given: the records of tasks of that run whose results are taken over.
        then: is given the run's id when it has succeeded or failed.
    """

    pipeline: Pipeline
    pipeline_file: str
    recipe: str | None
    settings: Mapping[str, Value]
    recipe_settings: Mapping[str, Value] | None
    runs: Path
    runner: RunnerName
    lock: int | None
    anew: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    origin: str | None = None
    given: Mapping[str, TaskRecord] = field(default_factory=dict)
    then: Callable[[str], None] | None = None


def stop_with_terminal() -> None:
    """Makes a closed terminal stop the command as SIGTERM does; nohup is honoured."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))


def record_of(launched: Launch, run: str) -> RunRecord:
    """The record of a run that begins."""
    pipeline = launched.pipeline
    return RunRecord(
        id=run,
        pipeline=pipeline.name,
        pipeline_file=launched.pipeline_file,
        recipe=launched.recipe,
        settings=dict(launched.settings),
        recipe_settings=None if launched.recipe_settings is None else dict(launched.recipe_settings),
        parameters=pipeline.values(),
        tasks=[task.name for task in pipeline.tasks],
        runner=launched.runner,
        origin=launched.origin,
    )


def launch(launched: Launch) -> RunRecord:
    """Runs to the end, and says what happened.

    Returns:
        The record of the run, which succeeded.

    Raises:
        FacenetError: a task failed.
    """
    stop_with_terminal()
    pipeline, runs = launched.pipeline, launched.runs
    executes, program = back_end(pipeline, launched.runner, launched.lock, lambda line: print_line(f"  {line}"))
    cache = Cache(runs, program)
    record = record_of(launched, new_run(runs))
    _announce(pipeline, record, runs / record.id)
    chosen = (launched.anew, launched.answered, launched.given)
    runner = Runner(pipeline, record, runs, cache, executes, print_line, *chosen)
    try:
        runner()
    except (KeyboardInterrupt, SystemExit):
        print("\nStopped. Run the same command again to go on: finished tasks are answered from the cache.", flush=True)
        raise
    except sqlite3.Error as error:
        raise out_of_use(runs, error) from error
    print()
    print(summary(record, runner.tasks, runs), flush=True)
    failed = failure(runner.tasks, runs) if record.state == FAILED else None
    if launched.then:
        try:
            launched.then(record.id)
        except FacenetError as error:
            if failed is None:
                raise
            print(error, file=sys.stderr)
    if failed:
        raise failed
    return record


def print_line(line: str) -> None:
    """Prints a line for people, from any thread."""
    # In one piece: print would write the end apart, and another task's line could come between.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def back_end(
    pipeline: Pipeline, runner: RunnerName, lock: int | None, show: Callable[[str], None]
) -> tuple[BackEnd, Callable[[Container, Names], Program]]:
    """What runs a task, and what it is that its command runs; `show` is given each line that one prints."""
    if runner == "process":
        return processes.back_end(images.REPOSITORY, show, lock), _process_program
    from pipelines.build import build
    from pipelines.local import containers, engine

    engine.check()
    own = {images.reference(component): component for component in images.COMPONENTS}
    executors = [task.executor for task in pipeline.tasks if isinstance(task.executor, Container)]
    # Now, because an image keeps the code that it is built of, whatever becomes of the code.
    made = {one.command: _image_program(one, own[one.image]) for one in executors if one.image in own}
    for image in dict.fromkeys(one.image for one in executors):
        if image in own:
            build(own[image])
        elif not engine.has_image(image):
            raise UsageError(
                "The pipeline names an image that is not on this machine.",
                received=image,
                advice="Is pipeline.yaml older than the code? Then run `facenet compile`. Otherwise: docker pull.",
            )

    def program(one: Container, names: Names) -> Program:
        return made[one.command] if one.image in own else Program({"the image": one.image})

    return containers.back_end(show, lock), program


def _process_program(executor: Container, names: Names) -> Program:
    """What a command runs in this environment."""
    files = code_of(executor.command, images.REPOSITORY, names)
    component = (module_of(executor.command) or "").rpartition(".")[2].replace("_", "-")
    lock = images.REPOSITORY / images.requirements(component)
    return Program(
        {
            "the code": sha256_of(files, images.REPOSITORY),
            "the packages": packages(lock if lock.is_file() else None),
            "the environment": variables(os.environ),
        },
        files,
    )


def _image_program(executor: Container, component: str) -> Program:
    """The same of a component's image: a process with its packages, and no variables set, gives the same result."""
    return Program(
        {
            "the code": sha256_of_code(executor.command, images.REPOSITORY),
            "the packages": packages_of_image(images.REPOSITORY / images.requirements(component)),
            "the environment": variables({}),
        }
    )


def _announce(pipeline: Pipeline, record: RunRecord, folder: Path) -> None:
    print(f"Run {record.id} of the pipeline {pipeline.name}; records in {short_path(folder)}")
    if record.origin:
        print(f"What is not run again is taken over from run {record.origin}")
    changed = in_words(record.settings)
    if changed:
        print(f"Settings{f' (recipe {record.recipe})' if record.recipe else ''}: {changed}")
    print(flush=True)


def failure(tasks: Mapping[str, TaskRecord], runs: Path) -> FacenetError:
    """What to say of a run in which a task failed."""
    failed, *others = (task for task in tasks.values() if task.state == FAILED)
    lines = [f"The task {failed.task} failed: {failed.message}."]
    if log := log_file(runs, failed):
        lines.append(f"The end of its log, {short_path(runs / str(failed.log))}:")
        lines += [f"  | {line}" for line in log_end(log)]
    lines += [
        f"The task {other.task} failed too: {other.message}; its log: {short_path(runs / (other.log or ''))}"
        for other in others
    ]
    return FacenetError(
        "\n".join(lines),
        advice="Mend that and run the same command again: the tasks that are done are answered from the cache.",
    )

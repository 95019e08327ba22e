"""`facenet run`: executes the compiled pipeline on this machine, as plain processes or in containers."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from components.common.command import Switch, run
from components.common.errors import FacenetError, UsageError
from pipelines import images
from pipelines.build import build
from pipelines.local import containers, engine, ir, processes, recipe
from pipelines.local.cache import Cache
from pipelines.local.check import check
from pipelines.local.plan import (
    Container,
    Importer,
    Pipeline,
    ancestors,
    descendants,
    setting_from_text,
    up_to,
    with_setting,
)
from pipelines.local.processes import Invocation
from pipelines.local.record import FAILED, RunRecord, TaskRecord, located, new_run
from pipelines.local.runner import Runner
from pipelines.local.sources import sha256_of_code
from pipelines.local.summary import shown, summary
from pipelines.local.values import Value, as_text

REPOSITORY = images.REPOSITORY
DEFAULT_PIPELINE = REPOSITORY / "pipeline.yaml"
_LAST_LINES = 20


@dataclass(frozen=True)
class Settings:
    """Run the whole pipeline on this machine: photos in, a trained network and a verification report out.

    Tasks whose code, parameters and inputs have not changed are answered from the cache.
    """

    # Text, not a path: `gs://bucket/photos` must arrive as written, to be refused as what it is.
    input: Annotated[str | None, tyro.conf.arg(aliases=["-i"], metavar="PHOTOS")] = None
    """The folder of photos: one folder per person, named after them."""
    recipe: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Settings by name: laptop (small network, minutes on a CPU; the default), faces (thousands of real faces, 20
    minutes), full (the pipeline's own), or the path of a YAML file. With --pipeline the default is none."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TASK.PARAM=VALUE"), tyro.conf.UseAppendAction] = ()
    """Give a parameter of a task, or of the pipeline (PARAM=VALUE), another value. Goes before the recipe's."""
    from_task: Annotated[str | None, tyro.conf.arg(name="from", metavar="TASK")] = None
    """Run this task and those after it anew, whatever the cache holds; those before it must be in the cache."""
    to_task: Annotated[str | None, tyro.conf.arg(name="to", metavar="TASK")] = None
    """Stop after this task."""
    cache: Switch = True
    """false: run every task anew."""
    runs: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Where runs and the cache are kept."""
    runner: Literal["process", "compose"] = "process"
    """process: tasks are processes of this environment. compose: they are containers of the components' images, with
    the restrictions of docker/compose.yaml; images that are not there are built."""
    pipeline: Annotated[Path, tyro.conf.arg(metavar="FILE")] = DEFAULT_PIPELINE
    """The compiled pipeline; see `facenet compile`."""


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError("--set takes a name and a value.", received=text, advice="Write --set collect.min_examples=3.")
    return name, value


def _configured(settings: Settings) -> tuple[Pipeline, str | None, dict[str, Value]]:
    """The pipeline as recipe and flags want it, the recipe's name, and what was set."""
    pipeline = ir.read(settings.pipeline)
    name = settings.recipe or (recipe.DEFAULT if settings.pipeline == DEFAULT_PIPELINE else None)
    given: dict[str, Value] = {}
    if name:
        chosen = recipe.read(name)
        name = chosen.name
        given.update(chosen.settings)
    texts = [("photos", settings.input)] if settings.input else []
    for key, text in [*texts, *map(_assignment, settings.set)]:
        given[key] = setting_from_text(pipeline, key, text)
    for key, value in given.items():
        pipeline = with_setting(pipeline, key, value)
    return pipeline, name, given


def _chosen(pipeline: Pipeline, settings: Settings) -> tuple[Pipeline, frozenset[str], frozenset[str]]:
    """The part of the pipeline to run, the tasks to run anew, and the tasks that the cache must answer."""
    if settings.to_task:
        pipeline = up_to(pipeline, settings.to_task)
    anew = frozenset[str]() if settings.cache else frozenset(task.name for task in pipeline.tasks)
    if not settings.from_task:
        return pipeline, anew, frozenset()
    if not settings.cache:
        raise UsageError("--from needs the cache that --cache false turns off.", advice="Leave one of them out.")
    first = pipeline.task(settings.from_task).name
    imported = {task.name for task in pipeline.tasks if isinstance(task.executor, Importer)}
    return pipeline, descendants(pipeline, first) | {first}, ancestors(pipeline, first) - imported


def _announce(pipeline: Pipeline, record: RunRecord, folder: Path) -> None:
    print(f"Run {record.id} of the pipeline {pipeline.name}; records in {shown(folder)}")
    changed = ", ".join(f"{name}={as_text(value)}" for name, value in record.settings.items() if name != "photos")
    if changed:
        recipe_name = f"recipe {record.recipe}; " if record.recipe else ""
        print(f"Not the pipeline's own settings ({recipe_name}those: --recipe full): {changed}")
    limited = [
        task.name
        for task in pipeline.tasks
        if isinstance(task.executor, Container) and (task.executor.cpus or task.executor.memory)
    ]
    if limited and record.runner == "process":
        print(f"Limits of processors and memory are not enforced on processes: {', '.join(limited)}")
    print(flush=True)


def _back_end(pipeline: Pipeline, runner: str) -> tuple[Callable[[Invocation], int], Callable[[Container], str]]:
    """What runs a task, and what identifies its code."""

    def show(line: str) -> None:
        print(f"  | {line}", flush=True)

    if runner == "process":
        return processes.executor(REPOSITORY, show), lambda one: sha256_of_code(one.command, REPOSITORY)
    engine.need()
    own = {images.reference(component): component for component in images.COMPONENTS}
    for image in dict.fromkeys(task.executor.image for task in pipeline.tasks if isinstance(task.executor, Container)):
        if image in own:
            build(own[image])
        elif not engine.has_image(image):
            raise UsageError(
                "The pipeline names an image that is not on this machine.",
                received=image,
                advice="Is pipeline.yaml older than the code? Then run `facenet compile`. Otherwise: docker pull.",
            )
    # The image of this very code gives the result that a process gives: both runners share the cache.
    return containers.executor(
        show
    ), lambda one: sha256_of_code(one.command, REPOSITORY) if one.image in own else one.image


def _failure(tasks: dict[str, TaskRecord], runs: Path) -> FacenetError:
    failed = next(task for task in tasks.values() if task.state == FAILED)
    lines = [f"The task {failed.task} failed: {failed.message}."]
    log = located(failed.log or "", runs)
    if failed.log and log.is_file():
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        lines += [f"The end of its log, {shown(log)}:", *(f"  | {line}" for line in last)]
    return FacenetError(
        "\n".join(lines),
        advice="Mend that and run the same command again: the tasks that are done are answered from the cache.",
    )


def _run(settings: Settings) -> None:
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        # A closed terminal stops the run as SIGTERM does; nohup is honoured.
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    pipeline, name, given = _configured(settings)
    pipeline, anew, answered = _chosen(pipeline, settings)
    check(pipeline)
    execute, code = _back_end(pipeline, settings.runner)
    runs = settings.runs.absolute()
    cache = Cache(runs, code)
    record = RunRecord(
        id=new_run(runs),
        pipeline=pipeline.name,
        pipeline_file=str(settings.pipeline.absolute()),
        recipe=name,
        settings=given,
        parameters=pipeline.values(),
        tasks=[task.name for task in pipeline.tasks],
        runner=settings.runner,
    )
    _announce(pipeline, record, runs / record.id)
    runner = Runner(pipeline, record, runs, cache, execute, lambda line: print(line, flush=True), anew, answered)
    try:
        runner()
    except (KeyboardInterrupt, SystemExit):
        print("\nStopped. Run the same command again to go on: finished tasks are answered from the cache.", flush=True)
        raise
    print()
    print(summary(record, runner.tasks, runs), flush=True)
    if record.state == FAILED:
        raise _failure(runner.tasks, runs)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _run, argv, prog="facenet run")


if __name__ == "__main__":
    sys.exit(main())

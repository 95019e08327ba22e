"""`facenet run`: executes the compiled pipeline on this machine, as plain processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from components.common.command import Switch, run
from components.common.errors import FacenetError, UsageError
from pipelines.local import ir, recipe
from pipelines.local.cache import Cache
from pipelines.local.check import check
from pipelines.local.plan import Importer, Pipeline, ancestors, descendants, setting_from_text, up_to, with_setting
from pipelines.local.processes import executor
from pipelines.local.record import FAILED, RunRecord, TaskRecord, located, new_run
from pipelines.local.runner import Runner
from pipelines.local.summary import shown, summary
from pipelines.local.values import Value, as_text

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_PIPELINE = REPOSITORY / "pipeline.yaml"
DEFAULT_RECIPE = "laptop"
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
    name = settings.recipe or (DEFAULT_RECIPE if settings.pipeline == DEFAULT_PIPELINE else None)
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
    if pipeline.not_enforced:
        print(f"Limits that a local run does not enforce: {', '.join(pipeline.not_enforced)}")
    print(flush=True)


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
    runs = settings.runs.absolute()
    cache = Cache(runs, REPOSITORY)
    record = RunRecord(
        id=new_run(runs),
        pipeline=pipeline.name,
        pipeline_file=str(settings.pipeline.absolute()),
        recipe=name,
        settings=given,
        parameters=pipeline.values(),
        tasks=[task.name for task in pipeline.tasks],
    )
    _announce(pipeline, record, runs / record.id)
    execute = executor(REPOSITORY, lambda line: print(f"  | {line}", flush=True))
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

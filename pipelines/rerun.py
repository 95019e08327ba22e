"""`facenet rerun`: runs one task again on what a past run gave it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from components.specification import images
from pipelines.cache.cache import Cache
from pipelines.cache.ingredients import Program
from pipelines.cache.named import files_named
from pipelines.compiled import ir
from pipelines.configure import assignment, hint_at_setting
from pipelines.launch import Launch, RunnerName, launch
from pipelines.local.containers import docker_run
from pipelines.local.processes import Invocation, environment
from pipelines.look.find import find_run
from pipelines.plan.changes import input_name, setting_from_text, with_input, with_setting
from pipelines.plan.check import check, local_path
from pipelines.plan.loops import expand
from pipelines.plan.render import PARAMETERS, Artifact, executor_input, render
from pipelines.plan.tasks import Container, Importer, Pipeline, Task, TaskOutput, descendants, parameter_values
from pipelines.plan.values import Value
from pipelines.records.files import LOG_FILE, read_task
from pipelines.records.folder import LATEST
from pipelines.records.lock import share
from pipelines.records.record import DONE, RunRecord, TaskRecord

_BY_HAND = "by-hand"


@dataclass(frozen=True)
class Settings:
    """Run one task again on what a past run gave it, as a new run that names its origin."""

    task: Annotated[str, Flag(positional=True)]
    """The task to run, for instance mine-and-train. Of a stage with several shards, extract means all of them and
    extract-2 the second one."""
    run: Annotated[str, Flag("ID")] = LATEST
    """The past run: its id, or latest."""
    set: Annotated[tuple[str, ...], Flag("PARAM=VALUE", repeated=True)] = ()
    """Give a parameter of the task another value; with --and-after also one of a later task, as TASK.PARAM=VALUE."""
    input: Annotated[tuple[str, ...], Flag("INPUT=PATH", short="-i", repeated=True)] = ()
    """Give the task another input, for instance dataset=PATH."""
    and_after: bool = False
    """Also run the tasks that depend on the task."""
    shell: bool = False
    """Run nothing; print the command that runs the task by hand, with its results in RUNS/by-hand."""
    runner: RunnerName | None = None
    """How the task runs, as for `facenet run`: process or compose; as in the past run when not given."""
    runs: Runs = RUNS


def _with_settings(pipeline: Pipeline, given: Mapping[str, Value]) -> Pipeline:
    for key, value in given.items():
        pipeline = with_setting(pipeline, key, value)
    return pipeline


def _configure(settings: Settings, past: RunRecord) -> tuple[Pipeline, dict[str, Value]]:
    """The past run's pipeline with what is to be different this time, and all that differs from its defaults."""
    pipeline = ir.read(Path(past.pipeline_file))
    given: dict[str, Value] = dict(past.settings)
    # A shard's name is known only with the past run's settings, and its settings are those of all shards.
    task = expand(_with_settings(pipeline, given)).task(settings.task)
    for text in settings.set:
        key, written = assignment(text)
        key = f"{task.template}.{key}" if key in task.parameters else key
        given[key] = setting_from_text(pipeline, key, written)
    pipeline = _with_settings(pipeline, given)
    for text in settings.input:
        name, path = assignment(text, "--input")
        pipeline = with_input(pipeline, task.template, name, str(local_path(path)))
    return expand(pipeline), given


def _part(pipeline: Pipeline, settings: Settings) -> tuple[Pipeline, frozenset[str]]:
    """What to run or take over, and of that what to run, inputs from elsewhere included."""
    asked = pipeline.tasks_of(settings.task)
    wanted = {task.name for task in asked} | (descendants(pipeline, settings.task) if settings.and_after else set())
    wanted |= {input_name(asked[0].template, assignment(text, "--input")[0]) for text in settings.input}
    needed = wanted.union(*(pipeline.task(name).after for name in wanted))
    return replace(pipeline, tasks=tuple(task for task in pipeline.tasks if task.name in needed)), frozenset(wanted)


def _record(runs: Path, run: RunRecord, task: str) -> TaskRecord | None:
    """The record of a task in a run, or in the run that it repeats a part of."""
    while task not in run.tasks:
        if run.origin is None:
            return None
        run = find_run(runs, run.origin).record
    record = read_task(runs, run.id, task)
    if record is not None:
        record.origin = record.origin or {"run": run.id, "seconds": record.seconds}
    return record


def _take_over(pipeline: Pipeline, past: RunRecord, cache: Cache, runs: Path) -> dict[str, TaskRecord]:
    """The past run's records of these tasks, whose results must still be there."""
    records = {}
    for task in pipeline.tasks:
        record = _record(runs, past, task.name)
        if record is None or record.state not in DONE:
            raise UsageError(
                f"The run has no result of {task.name}, which is needed.",
                received=f"run {past.id} ({record.state if record else 'without such a task'})",
                advice="Choose another run with --run, or run the pipeline: facenet run.",
            )
        if not cache.whole(record):
            raise UsageError(
                f"What {task.name} made has been deleted or changed since.",
                received=", ".join(str(runs / output["path"]) for output in record.outputs.values()),
                advice="Run the pipeline again: facenet run.",
            )
        records[task.name] = record
    return records


def _input_artifact(pipeline: Pipeline, origin: TaskOutput, given: Mapping[str, TaskRecord], runs: Path) -> Artifact:
    """An input of a task: what a task of the past run made, or what is given instead."""
    if origin.task in given:
        output = given[origin.task].outputs[origin.name]
        return Artifact(runs / output["path"], output["kind"], output["sha256"], output["metadata"])
    source = pipeline.task(origin.task)
    assert isinstance(source.executor, Importer)
    path = local_path(str(parameter_values(source, {}, {})["uri"]))
    return Artifact(path, source.outputs[origin.name], "")


def _command_lines(
    pipeline: Pipeline, task: Task, given: Mapping[str, TaskRecord], runs: Path, runner: RunnerName
) -> str:
    """The lines to type that run a task by hand."""
    name = task.name
    if not isinstance(task.executor, Container):
        raise UsageError(
            "This task runs no command: it names what is imported.", received=name, advice="Rerun a task after it."
        )
    folder = runs / _BY_HAND / name
    inputs = {
        key: [_input_artifact(pipeline, one, given, runs) for one in origins] for key, origins in task.artifacts.items()
    }
    output_parameters = {key: record.output_parameters for key, record in given.items()}
    parameters = parameter_values(task, pipeline.values(), output_parameters)
    command = render(task.executor.command, executor_input(task, parameters, inputs, folder))
    lines = [shlex.join(["mkdir", "-p", str(folder / PARAMETERS)])]
    if runner == "compose":
        read = (*(one.path for artifacts in inputs.values() for one in artifacts), *files_named(parameters).values())
        invocation = Invocation(f"by-hand-{name}", task.executor, tuple(command), folder, read, folder / LOG_FILE)
        return "\n".join([*lines, shlex.join(docker_run(invocation))])
    added = environment(images.REPOSITORY, task.executor.env)
    words = [f"{key}={added[key]}" for key in ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", *task.executor.env)]
    return "\n".join([*lines, shlex.join(["env", *words, *command])])


def _rerun(settings: Settings) -> None:
    runs = settings.runs.absolute()
    run = find_run(runs, settings.run)
    if run.problem:
        raise UsageError(
            "The run's record cannot be read.",
            received=f"{run.record.id} ({run.problem})",
            advice="Choose another run with --run.",
        )
    with share(runs) as lock:  # before looking at what the past run left
        _rerun_of(run.record, settings, runs, lock)


def _rerun_of(past: RunRecord, settings: Settings, runs: Path, lock: int | None) -> None:
    runner: RunnerName = settings.runner or ("compose" if past.runner == "compose" else "process")
    pipeline, given_settings = _configure(settings, past)
    pipeline, wanted = _part(pipeline, settings)
    # Of what is not run again, photos for instance, only the results matter.
    begun = replace(pipeline, tasks=tuple(task for task in pipeline.tasks if task.name in wanted))
    check(begun)
    earlier = replace(pipeline, tasks=tuple(task for task in pipeline.tasks if task.name not in wanted))
    given = _take_over(earlier, past, Cache(runs, lambda one, names: Program({})), runs)
    if settings.shell:
        print(
            "\n".join(_command_lines(pipeline, task, given, runs, runner) for task in pipeline.tasks_of(settings.task))
        )
        return
    launch(
        Launch(
            pipeline=pipeline,
            pipeline_file=past.pipeline_file,
            recipe=past.recipe,
            settings=given_settings,
            recipe_settings=past.recipe_settings,
            runs=runs,
            runner=runner,
            lock=lock,
            anew=frozenset(task.name for task in pipeline.tasks_of(settings.task)),
            origin=past.id,
            given=given,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _rerun, argv, prog="facenet rerun", hint=hint_at_setting)


if __name__ == "__main__":
    sys.exit(main())

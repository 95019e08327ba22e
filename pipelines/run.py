"""`facenet run`: executes the compiled pipeline on this machine, as plain processes or in containers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from pipelines.configure import DEFAULT_PIPELINE, SOURCE_PIPELINE, assignment, configure, hint_at_setting
from pipelines.launch import Launch, RunnerName, launch
from pipelines.people import check_people, count_photos, without_training
from pipelines.plan import recipe
from pipelines.plan.changes import with_setting
from pipelines.plan.check import check
from pipelines.plan.loops import expand
from pipelines.plan.tasks import (
    Importer,
    Pipeline,
    ancestors,
    descendants,
    up_to,
)
from pipelines.publish import Targets, publish
from pipelines.records.lock import share


@dataclass(frozen=True)
class Settings:
    """Run the whole pipeline on this machine: photos in, a trained network and a verification report out.

    Tasks whose code, parameters and inputs have not changed are answered from the cache.
    """

    # Text, not a path: `gs://bucket/photos` must arrive as written, to be refused as what it is.
    input: Annotated[str | None, Flag("PHOTOS", short="-i")] = None
    """The folder of photos: one folder per person, named after them."""
    source: Annotated[str | None, Flag("SOURCE")] = None
    """In place of photos, crops that others made: whatever `facenet import` takes. How they were cut out is given as
    --set import-faces.alignment=arcface, where their kind does not say it."""
    recipe: Annotated[str | None, Flag("NAME")] = None
    """Settings by name: own (from dlib's network for faces, for one's own photos; the default), laptop (a small network
    from random weights, minutes on a CPU), faces (thousands of real faces, 20 minutes), full (the pipeline's own), or
    the path of a YAML file. With --source or --pipeline the default is none."""
    set: Annotated[tuple[str, ...], Flag("TASK.PARAM=VALUE", repeated=True)] = ()
    """Give a parameter of a task, or of the pipeline (PARAM=VALUE), another value. It overrides the recipe."""
    from_task: Annotated[str | None, Flag("TASK", name="from")] = None
    """Run this task and those after it anew, whatever the cache holds; those before it must be in the cache."""
    to_task: Annotated[str | None, Flag("TASK", name="to")] = None
    """Stop after this task."""
    cache: bool = True
    """Answer tasks from the cache where nothing has changed; --no-cache runs every task anew."""
    runs: Runs = RUNS
    runner: RunnerName = "process"
    """How tasks run. process: as processes of this environment, without limits on processors and memory. compose: in
    containers of the components' images, with the restrictions of docker/compose.yaml; missing images are built."""
    pipeline: Annotated[Path, Flag("FILE")] = DEFAULT_PIPELINE
    """The compiled pipeline, as `facenet compile` writes it."""
    targets: Targets = field(default_factory=Targets)


def _choose(pipeline: Pipeline, settings: Settings) -> tuple[Pipeline, frozenset[str], frozenset[str]]:
    """The part of the pipeline to run, the tasks to run anew, and the tasks that the cache must answer."""
    if settings.to_task:
        pipeline = up_to(pipeline, settings.to_task)
    anew = frozenset[str]() if settings.cache else frozenset(task.name for task in pipeline.tasks)
    if not settings.from_task:
        return pipeline, anew, frozenset()
    if not settings.cache:
        raise UsageError("--from needs the cache that --no-cache turns off.", advice="Leave one of them out.")
    first = {task.name for task in pipeline.tasks_of(settings.from_task)}
    imported = {task.name for task in pipeline.tasks if isinstance(task.executor, Importer)}
    later, earlier = descendants(pipeline, settings.from_task), ancestors(pipeline, settings.from_task)
    return pipeline, later | first, earlier - imported


def _run(settings: Settings) -> None:
    settings.targets.check()
    if settings.source and (settings.input or settings.pipeline != DEFAULT_PIPELINE):
        raise UsageError(
            "--source is given in place of photos, and has a pipeline of its own.",
            received=f"--source {settings.source}; {settings.input or settings.pipeline}",
            advice="Leave out -i and --pipeline.",
        )
    file = SOURCE_PIPELINE if settings.source else settings.pipeline
    named = settings.recipe or (recipe.DEFAULT if file == DEFAULT_PIPELINE else None)
    pipeline, name, given = configure(file, named, settings.source or settings.input, settings.set)
    pipeline, anew, answered = _choose(expand(pipeline), settings)
    photos = count_photos(pipeline)
    untrained, why = without_training(pipeline, photos, [assignment(each)[0] for each in settings.set])
    for key, value in untrained.items():
        pipeline = with_setting(pipeline, key, value)
    if why:
        print(why)
    check(pipeline)
    for line in check_people(pipeline, photos):
        print(line)
    runs = settings.runs.absolute()
    with share(runs) as lock:
        launch(
            Launch(
                pipeline=pipeline,
                pipeline_file=str(file.absolute()),
                recipe=name,
                settings=given | untrained,
                recipe_settings={k: v for k, v in recipe.read(named).settings.items() if k in given} if named else {},
                runs=runs,
                runner=settings.runner,
                lock=lock,
                anew=anew,
                answered=answered,
                then=(lambda name: publish(runs, name, settings.targets)) if settings.targets.given else None,
            )
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _run, argv, prog="facenet run", hint=hint_at_setting)


if __name__ == "__main__":
    sys.exit(main())

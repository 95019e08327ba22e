"""`facenet submit`: starts a run of the pipeline on a Kubeflow cluster."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from components.common import published
from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.extract.contents import sha256_of
from pipelines.cache.named import MODELS, STATES
from pipelines.cluster import keys
from pipelines.cluster.order import Order, start
from pipelines.cluster.package import package
from pipelines.cluster.retries import unknown
from pipelines.cluster.stores import check, check_weights
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.configure import configure, hint_at_setting
from pipelines.people import splits_people
from pipelines.plan.changes import in_words
from pipelines.plan.loops import expand
from pipelines.plan.tasks import WORKSPACE, Container, Importer, Pipeline, parameter_values

if TYPE_CHECKING:
    from pipelines.cluster.access import Cluster

_LONGEST = 255  # characters that the cluster's database has for a run's description
_HOST = "KF_PIPELINES_ENDPOINT"
_EXTRACT = "extract"
_CONTENTS = f"{_EXTRACT}.contents"


@dataclass(frozen=True)
class Settings:
    """Start a run of the pipeline on a Kubeflow cluster.

    A token is taken from the variable KFP_EXISTING_TOKEN or from the file that KF_PIPELINES_SA_TOKEN_PATH names (a pod
    has one); otherwise kfp's own settings hold. KFP_NAMESPACE names your namespace where people have one.
    """

    input: Annotated[str | None, Flag("PHOTOS", short="-i")] = None
    """Where the photos are, one folder per person, on a store that the cluster reads: gs://BUCKET/FOLDER, s3:// or
    minio://."""
    host: Annotated[str | None, Flag("URL")] = None
    """The address of Kubeflow Pipelines; the variable KF_PIPELINES_ENDPOINT when not given."""
    experiment: Annotated[str | None, Flag("NAME")] = None
    """The experiment that the run belongs to; the cluster's default one when not given."""
    create_experiment: bool = False
    """Create the experiment where there is none of this name."""
    run_name: Annotated[str | None, Flag("NAME")] = None
    """The run's name; the pipeline's name and the time when not given."""
    recipe: Annotated[str | None, Flag("NAME")] = None
    """Settings by name, as `facenet run` has them; the pipeline's own when not given."""
    set: Annotated[tuple[str, ...], Flag("TASK.PARAM=VALUE", repeated=True)] = ()
    """Give a parameter of a task, or of the pipeline (PARAM=VALUE), another value. It overrides the recipe. Weights to
    start from (pretrained) are named by the URI of a file, or of a checkpoint's folder, on a store like the photos."""
    wait: bool = False
    """Follow the run to its end; the exit code is 0 when it succeeded."""
    cache: bool = True
    """Let the cluster answer tasks from its cache; --no-cache runs every task anew."""
    copy: Annotated[Path | None, Flag("FOLDER")] = None
    """The folder on this machine that was uploaded to PHOTOS. The cluster then refuses other photos, and answers a
    training that it has done already, with the same photos and settings, from its cache (Kubeflow Pipelines 2.18)."""
    cron: Annotated[str | None, Flag("EXPRESSION")] = None
    """Schedule a recurring run instead. The expression has six fields, seconds first: "0 0 3 * * 1" is Mondays at 3
    (UTC, unless the cluster is set up otherwise)."""
    dry_run: bool = False
    """Print what would be sent, and send nothing."""
    pipeline: Annotated[Path, Flag("FILE")] = DEFAULT_OUTPUT
    """The compiled pipeline, as `facenet compile` writes it."""


def _submit(settings: Settings) -> int:
    pipeline, recipe, given = configure(settings.pipeline, settings.recipe, settings.input, settings.set)
    of_tasks = {name: value for name, value in given.items() if name not in pipeline.parameters}
    _check(pipeline, of_tasks, settings)
    imports = _imports(pipeline)
    if settings.copy:
        of_tasks[_CONTENTS] = _contents(settings.copy, pipeline, imports, settings)
    known = pipeline.values() if settings.copy else None
    about = "; ".join(filter(None, [f"recipe {recipe}" if recipe else "", in_words(given)]))
    name = settings.run_name or f"{pipeline.name} {time.strftime('%Y-%m-%d %H:%M:%S')}"

    def order(server: tuple[int, int] | None) -> Order:
        return Order(
            package=package(settings.pipeline, of_tasks, imports, cached=settings.cache, server=server, known=known),
            name=name,
            about=textwrap.shorten(about or "the pipeline's own settings", _LONGEST, placeholder=" ..."),
            parameters={} if settings.copy else pipeline.values(),
            cron=settings.cron,
        )

    if settings.dry_run:
        _warn(pipeline)
        print(order(None).as_text(settings.experiment, settings.create_experiment), end="")
        return 0
    host = settings.host or os.environ.get(_HOST)
    if not host:
        raise UsageError("Which cluster?", advice=f"Give its address with --host URL, or in the variable {_HOST}.")
    from pipelines.cluster.access import Cluster

    cluster = Cluster(host)
    _warn(pipeline)
    return _start(order, cluster, {task.name: task.label for task in pipeline.tasks}, settings)


def _check(pipeline: Pipeline, of_tasks: Collection[str], settings: Settings) -> None:
    """Finds what the cluster would refuse or misread, before it is asked.

    Args:
        pipeline: as it is to run.
        of_tasks: the parameters of tasks that were given a value.
        settings: of the command.

    Raises:
        UsageError: flags that exclude each other, a parameter without a value, a loop over nothing, photos where no
            cluster can fetch them.
    """
    if settings.cron:
        if settings.wait:
            raise UsageError("A recurring run has no end to wait for.", advice="Leave out --wait or --cron.")
        # Of five fields, as everywhere else, Kubeflow takes the first for seconds and says nothing.
        if len(settings.cron.split()) != 6 and not settings.cron.startswith("@"):
            raise UsageError(
                "Kubeflow's schedules have six fields: seconds come first.",
                received=settings.cron,
                advice='Write --cron "0 0 3 * * 1" for Mondays at 3.',
            )
    if settings.create_experiment and not settings.experiment:
        raise UsageError("Which experiment is to be created?", advice="Name it with --experiment NAME.")
    values = pipeline.values()
    for task in expand(pipeline).tasks:
        parameters = parameter_values(task, values, None)
        if isinstance(task.executor, Importer):
            if f"{task.name}.{task.executor.parameter}" in of_tasks:
                raise UsageError(
                    "Kubeflow's importer takes its URI from a parameter of the pipeline only.",
                    received=f"--set {task.name}.{task.executor.parameter}=...",
                    advice="Give photos with -i PHOTOS.",
                )
            check(str(parameters[task.executor.parameter]), task.label)


def _imports(pipeline: Pipeline) -> dict[str, str]:
    """The URIs of the models that tasks are to start from, by the parameter that names each.

    Raises:
        UsageError: one that no cluster can fetch, or a place for a training's state that is lost with its pod.
    """
    values = pipeline.values()
    imports = {}
    for task in pipeline.tasks:
        for key, value in parameter_values(task, values, None).items():
            name = f"{task.name}.{key}"
            if name in MODELS and value and value != published.NAME:  # dlib's network lies in the image
                check_weights(str(value), name)
                imports[name] = str(value)
            if name in STATES and value and not str(value).startswith(WORKSPACE):
                raise UsageError(
                    "On a cluster a training's state lies on the run's volume.",
                    received=f"{name}={value}",
                    advice=f"Leave out {name}: `facenet compile --workspace SIZE` makes that volume.",
                )
    return imports


def _contents(copy: Path, pipeline: Pipeline, imports: Mapping[str, str], settings: Settings) -> str:
    """What extract is to be told of the photos: a hash of this copy of them.

    Raises:
        UsageError: the copy has no photos, or they would not tell all that a training depends on.
        FacenetError: one cannot be read.
    """
    if settings.cron or imports or not any(task.name == _EXTRACT for task in pipeline.tasks):
        raise UsageError(
            "A copy of the photos does not tell all that this training depends on.",
            received=f"--copy with {', '.join(imports.values()) or settings.cron or settings.pipeline}",
            advice="What lies at an address may change, and crops have no such hash. Leave out --copy.",
        )
    return sha256_of(copy)


def _warn(pipeline: Pipeline) -> None:
    """Says what nobody looked at: whether people are enough, and whether a cluster can pull images without a host."""
    if splits_people(pipeline):
        print(
            "The people are not counted from here, as `facenet run` does with a folder: where they are too few, a task "
            "fails",
            file=sys.stderr,
        )
    images = dict.fromkeys(task.executor.image for task in pipeline.tasks if isinstance(task.executor, Container))
    without_registry = [image for image in images if not {".", ":"} & set(image.partition("/")[0])]
    if without_registry:
        print(
            f"Images without a registry's name, as {without_registry[0]}: the cluster must have them already",
            file=sys.stderr,
            flush=True,
        )


def _start(
    ordered: Callable[[tuple[int, int] | None], Order],
    cluster: Cluster,
    labels: Mapping[str, str],
    settings: Settings,
) -> int:
    from pipelines.cluster.upload import experiment_on, version_on

    experiment = None
    if settings.experiment:
        experiment, made = experiment_on(cluster, settings.experiment, settings.create_experiment)
        print(f"Experiment {settings.experiment}: {'created' if made else 'found'}", flush=True)
    order = ordered(cluster.version)
    if settings.copy and settings.cache and (cluster.version is None or cluster.version < keys.SINCE):
        print("This cluster answers no training from its cache: Kubeflow Pipelines 2.18 does.", file=sys.stderr)
    try:
        version, made = version_on(cluster, order.package)
    except FacenetError as error:
        if not unknown(error) or (plain := ordered(None)) == order:
            raise
        order = plain
        version, made = version_on(cluster, order.package)
    state = "uploaded" if made else "on the cluster already"
    print(f"Pipeline {order.package.pipeline}, version {order.package.version}: {state}", flush=True)
    started, page = start(cluster, order, version, experiment)
    print(f"{'Recurring run' if order.cron else 'Run'} {order.name}: {page}", flush=True)
    if not settings.wait:
        return 0
    from pipelines.cluster.follow import follow

    try:
        follow(cluster, started, labels, lambda line: print(line, flush=True))
    except (KeyboardInterrupt, SystemExit) as stop:
        print(
            f"\nNo longer watched; the run goes on. Its page: {page}\n"
            f"To watch it again: kfp --endpoint {cluster.host} run get --watch {started}",
            flush=True,
        )
        if isinstance(stop, SystemExit):
            raise
        return 130
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _submit, argv, prog="facenet submit", hint=hint_at_setting)


if __name__ == "__main__":
    sys.exit(main())

"""`facenet compile`: pipelines/facenet.py -> pipeline.yaml -> docker/compose.yaml."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.common.atomic import write_file
from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag, Output

if TYPE_CHECKING:
    from pipelines.facenet import Trials
    from pipelines.plan.values import Value

DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "pipeline.yaml"
# That of crops that others made: `facenet run --source`.
SOURCE_OUTPUT = DEFAULT_OUTPUT.with_name("pipeline-source.yaml")
COMPOSE_FILE = DEFAULT_OUTPUT.parent / "docker" / "compose.yaml"
# The recipe of docker/compose.yaml, which starts its containers whoever is in the photos.
_COMPOSED = "laptop"
# The recipe that leaves the pipeline's own settings as they are.
_WHOLE = "full"
_HEADER = "# Generated from pipelines/facenet.py by `facenet compile`; do not edit.\n"


@dataclass(frozen=True)
class Settings:
    """Compile the pipeline to the file that a cluster and `facenet run` execute, and to the one for docker compose."""

    output: Output = DEFAULT_OUTPUT
    """The file to write; with the default one docker/compose.yaml and pipeline-source.yaml are written too."""
    source: bool = False
    """Compile the pipeline that takes over crops, as `facenet import` does, in place of finding faces in photos."""
    check: bool = False
    """Write nothing, and fail when a file is not what the pipeline compiles to."""
    gpus: int = 0
    """GPUs for mine-and-train, in an image of its own; `facenet images --pipeline FILE` builds what the file names."""
    image_pull_secret: str = ""
    """The name of the Secret on the cluster with which images are pulled."""
    workspace: str = "20Gi"
    """The size of the volume that keeps a training's state when its pod is lost. With "" there is no volume: a lost
    training begins anew, but a finished one is answered from the cluster's cache."""
    storage_class: str = ""
    """The StorageClass of that volume, without which Kubeflow Pipelines 2.15 and 2.16 make no volume; later
    ones take the cluster's default."""
    workers: int = 0
    """Instead of a pipeline, write a training by so many workers, for Kubeflow's Trainer 2: a TrainJob, its runtime,
    and its volume, of --workspace and --storage_class. Each worker has the --gpus."""
    recipe: Annotated[str | None, Flag("NAME")] = None
    """With --workers: settings by name, as `facenet run` has them; the pipeline's own when not given."""
    set: Annotated[tuple[str, ...], Flag("TASK.PARAM=VALUE", repeated=True)] = ()
    """With --workers: give a parameter another value, as `facenet run` does."""
    search: Annotated[Path | None, Flag("SEARCH.yaml")] = None
    """Compile a search for settings, as `facenet tune` does it on one machine: a loop over its trials (ParallelFor)
    for each rung, and the rest of the pipeline for the best. It has the file's recipe and settings, and no volume."""
    serving: Annotated[str, Flag("URI")] = ""
    """Instead of a pipeline, write the manifest of a KServe predictor: `facenet serve` with the network in this folder,
    an address that KServe fetches, such as s3://bucket/model. The folder has a facenet.tflite."""


def compile_pipeline(
    gpus: int = 0,
    image_pull_secret: str = "",
    workspace: str = Settings.workspace,
    storage_class: str = "",
    *,
    source: bool = False,
    search: Path | None = None,
) -> str:
    """The pipeline as Kubeflow's intermediate representation, in YAML; the same text for the same source.

    Raises:
        UsageError: the workspace is not of a size that Kubernetes knows.
        FacenetError: kfp cannot wire the pipeline as it is written.
    """
    import yaml
    from kfp import compiler

    from pipelines.compiled.readable import readable

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        try:
            from pipelines.facenet import ClusterSettings, pipeline

            cluster = ClusterSettings(gpus, image_pull_secret, "" if search else workspace, storage_class)
            trials, given = _trials(search, source) if search else (None, {})
            compiler.Compiler().compile(pipeline(cluster, imports=source, trials=trials), str(file))
        except (FacenetError, ImportError, OSError):
            raise
        except Exception as error:  # kfp has no class of errors of its own
            raise FacenetError(
                "kfp cannot wire the pipeline as it is written.",
                received=f"{type(error).__name__}: {error}",
                advice="Mend pipelines/facenet.py, or the component.py that it names; facenet --debug shows where.",
            ) from error
        text = file.read_text(encoding="utf-8")
    comments = "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.startswith("#"))
    spec, *platform = yaml.safe_load_all(text)
    _give(spec, given)
    return _HEADER + comments + yaml.safe_dump_all([readable(spec), *platform])


def _trials(file: Path, source: bool) -> tuple[Trials, dict[str, Value]]:
    """The trials of a search, and the settings that all of them have."""
    from pipelines.configure import configure
    from pipelines.facenet import Trials
    from pipelines.plan import recipe
    from pipelines.plan.changes import with_setting
    from pipelines.tuning.on_a_cluster import rungs
    from pipelines.tuning.search import fitted, read

    search, _ = read(file)
    base, _, given = configure(SOURCE_OUTPUT if source else DEFAULT_OUTPUT, search.recipe or recipe.DEFAULT, None, ())
    given |= search.set or {}
    for name, value in given.items():
        base = with_setting(base, name, value)
    found = rungs(fitted(search, base), base)
    return Trials(found.trials, found.keep, search.by), given


def _give(spec: Any, settings: Mapping[str, Value]) -> None:
    """Writes settings into a compiled pipeline: defaults of its parameters, and constants of its tasks."""
    from pipelines.compiled.readable import dags

    for name, value in settings.items():
        task_name, _, key = name.rpartition(".")
        if not task_name:
            spec["root"]["inputDefinitions"]["parameters"][key]["defaultValue"] = value
            continue
        for dag in dags(spec):
            for other, task in dag["tasks"].items():
                if re.fullmatch(rf"{re.escape(task_name)}(-\d+)?", other):  # kfp numbers those of one component
                    task["inputs"]["parameters"][key] = {"runtimeValue": {"constant": value}}


def compile_compose(file: Path) -> str:
    """A compiled pipeline with the settings of a recipe, as a file for docker compose."""
    import yaml

    from pipelines.compiled import ir
    from pipelines.compose import HEADER, compose_file
    from pipelines.plan import recipe
    from pipelines.plan.changes import with_setting
    from pipelines.plan.loops import expand

    pipeline, settings = ir.read(file), recipe.read(_COMPOSED).settings
    for name, value in settings.items():
        pipeline = with_setting(pipeline, name, value)
    services = compose_file(expand(pipeline), _COMPOSED, settings)
    text: str = yaml.safe_dump(services, sort_keys=False, width=120)
    return HEADER.format(recipe=_COMPOSED) + text


def compile_serving(model: str, image_pull_secret: str = "") -> str:
    """The manifest of a KServe predictor; see `serving.manifest`."""
    import yaml

    from pipelines.serving import HEADER, manifest

    return HEADER + yaml.safe_dump(manifest(model, image_pull_secret), sort_keys=False)


def compile_workers(settings: Settings) -> str:
    """The manifests of a training by several workers; see `workers.manifests`."""
    import yaml

    from pipelines.configure import configure
    from pipelines.facenet import ClusterSettings
    from pipelines.workers import header, manifests, taught

    if settings.output == DEFAULT_OUTPUT or settings.source or settings.serving or not settings.workspace:
        raise UsageError(
            "A training by several workers is a file of its own, and has a volume.",
            received=f"--workers {settings.workers} without -o, with an empty --workspace, --source or --serving",
            advice="facenet compile --workers 2 -o training.yaml",
        )
    if settings.workers < 2:
        raise UsageError("--workers is 2 or more.", received=settings.workers, advice="One is a task of the pipeline.")
    cluster = ClusterSettings(settings.gpus, settings.image_pull_secret, settings.workspace, settings.storage_class)
    _ = cluster.config  # which refuses what is not the size of a volume
    # Photos are no setting of the training, but the pipeline asks for them.
    pipeline, recipe, _ = configure(DEFAULT_OUTPUT, settings.recipe, "PHOTOS", settings.set)
    chosen = [f"--recipe {recipe or _WHOLE}", *(f"--set {shlex.quote(each)}" for each in settings.set)]
    told = header(settings.output, settings.workers, " ".join([*chosen, ""]), taught=taught(pipeline))
    return told + yaml.safe_dump_all(manifests(pipeline, settings.workers, cluster), sort_keys=False, width=120)


def _compile(settings: Settings) -> None:
    if settings.workers:
        _put(settings.output, compile_workers(settings), settings)
        return
    if settings.recipe or settings.set:
        raise UsageError(
            "A pipeline is compiled with its own settings.",
            received="--recipe or --set without --workers",
            advice="Give them to `facenet run` or `facenet submit`.",
        )
    options = (settings.gpus, settings.image_pull_secret, settings.workspace, settings.storage_class)
    if settings.gpus < 0:
        raise UsageError("--gpus is a number of GPUs, or 0 for none.", received=settings.gpus)
    if settings.storage_class and not settings.workspace:
        raise UsageError(
            "There is no volume to choose the storage of.",
            received=f"--storage-class {settings.storage_class} with an empty --workspace",
            advice="Leave out one of them.",
        )
    usual = (Settings.gpus, Settings.image_pull_secret, Settings.workspace, Settings.storage_class)
    if settings.serving:
        if settings.output == DEFAULT_OUTPUT or settings.source or (settings.gpus, *options[2:]) != (0, *usual[2:]):
            raise UsageError(
                "The manifest of a predictor is a file of its own, and has no settings of a pipeline.",
                received=f"--serving {settings.serving} without -o, or with --source, --gpus or a workspace",
                advice="facenet compile --serving URI -o serving.yaml; --image_pull_secret goes with it.",
            )
        _put(settings.output, compile_serving(settings.serving, settings.image_pull_secret), settings)
        return
    if settings.output == DEFAULT_OUTPUT and (options != usual or settings.source or settings.search):
        raise UsageError(
            "pipeline.yaml is the pipeline for any cluster, and for this machine.",
            received="--source, --search, or settings of one cluster, without -o",
            advice="Write them to a file of their own: -o cluster.yaml.",
        )
    _put(settings.output, compile_pipeline(*options, source=settings.source, search=settings.search), settings)
    if settings.output == DEFAULT_OUTPUT:
        _put(SOURCE_OUTPUT, compile_pipeline(source=True), settings)
        _put(COMPOSE_FILE, compile_compose(DEFAULT_OUTPUT), settings)


def _put(file: Path, text: str, settings: Settings) -> None:
    if not settings.check:
        write_file(file, text)
        kind = "manifests" if settings.workers or settings.serving else "compiled pipeline"
        print(f"{kind} in {file}")
        return
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        command = "facenet compile" if settings.output == DEFAULT_OUTPUT else f"facenet compile -o {settings.output}"
        raise FacenetError(
            "The compiled pipeline is not what the pipeline compiles to now.",
            received=file,
            advice=f"Run `{command}` and commit the result.",
        )
    print(f"{file} is fresh")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _compile, argv, prog="facenet compile")


if __name__ == "__main__":
    sys.exit(main())

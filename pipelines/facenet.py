"""The pipeline: photos in, a face network and a verification report out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kfp import dsl, kubernetes

from components.collect.component import collect
from components.common.errors import UsageError
from components.embed.component import embed, teach
from components.evaluate.component import evaluate
from components.export.component import export as export_component
from components.extract.component import extract
from components.import_faces.component import import_faces
from components.mine_and_train.component import mine_and_train
from components.specification.images import reference
from pipelines.choose import choose

_ONE_SHARD = ["1/1"]
# Kubeflow's pages show this as Markdown, and show no description of a parameter.
_DESCRIPTION = """Photos in; a face-embedding network and its verification report out.

**photos** is to be given: the URI of a folder of photos, with a folder for each person (`gs://`, `s3://`, `minio://`).

**backbone**: `inception_resnet_v2`, or `small_resnet` for few photos. **rounds**: how often to sample, mine and train.

**shards**: `["1/2", "2/2"]` runs extract and embed in two pods each. **pictures**: `false` shows no faces in any card.
"""
_GPU = "nvidia.com/gpu"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a container's own


@dataclass(frozen=True)
class ClusterSettings:
    """What the compiled file itself tells a cluster, because images and nodes are chosen by it.

    Args:
        gpus: how many mine-and-train gets; with any, it runs in the image for them.
        image_pull_secret: the name of the Secret to pull images with; "" for none.
        workspace: size of the volume that keeps a training's state when its pod is lost; "" for no volume.
        storage_class: the kind of storage that the volume is made of; "" for the cluster's default one.
    """

    gpus: int = 0
    image_pull_secret: str = ""
    workspace: str = "20Gi"
    storage_class: str = ""

    def limit(self, task: dsl.PipelineTask, *, cpus: int, memory: int, shared_memory: int = 0) -> dsl.PipelineTask:
        """Says what a task may use at most, and asks for half of it.

        Args:
            task: the task.
            cpus: processors.
            memory: gigabytes.
            shared_memory: of it, gibibytes in /dev/shm, of which a container has 64 megabytes otherwise.
        """
        task.set_cpu_request(f"{cpus * 500}m").set_cpu_limit(str(cpus))
        task.set_memory_request(f"{memory * 500}M").set_memory_limit(f"{memory}G")
        if shared_memory:
            kubernetes.empty_dir_mount(task, "shared-memory", _SHARED_MEMORY, "Memory", f"{shared_memory}Gi")
        if self.image_pull_secret:
            kubernetes.set_image_pull_secrets(task, [self.image_pull_secret])
        return task

    def retry(self, task: dsl.PipelineTask) -> None:
        """Gives a task further attempts, when it goes on from what the one before left in the workspace.

        Kubeflow Pipelines 2.15 and 2.16 try again whatever failed, wrong settings too: what would begin anew asks for
        no other attempt.
        """
        if self.workspace:
            # The longest time counts from the start of the first attempt: a task that takes longer would get no other.
            task.set_retry(num_retries=3, backoff_duration="10s", backoff_factor=2.0, backoff_max_duration="1w")

    def use_gpus(self, task: dsl.PipelineTask) -> None:
        """Gives a task the GPUs, the image that uses them, and a place on the nodes that have them."""
        if self.gpus:
            task.set_container_image(reference("mine-and-train", "gpu"))
            task.set_accelerator_type(_GPU).set_accelerator_limit(self.gpus)
            kubernetes.add_toleration(task, key=_GPU, operator="Exists", effect="NoSchedule")

    @property
    def training(self) -> str:
        """Where a training keeps its state."""
        return f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/training" if self.workspace else ""

    @property
    def config(self) -> dsl.PipelineConfig:
        """The settings of the pipeline as a whole.

        Raises:
            UsageError: the workspace is not of a size that Kubernetes knows.
        """
        if not self.workspace:
            return dsl.PipelineConfig()
        # One task mounts it. Kubeflow has no default for the access; for the class of storage it has, since 2.17.
        claim: dict[str, Any] = {"accessModes": ["ReadWriteOnce"]}
        if self.storage_class:
            claim["storageClassName"] = self.storage_class
        try:
            volume = dsl.WorkspaceConfig(self.workspace, dsl.KubernetesWorkspaceConfig(pvcSpecPatch=claim))
        except ValueError as error:
            raise UsageError(
                "This is not a size of a volume.", received=self.workspace, advice="Write 20Gi, or 500Mi."
            ) from error
        return dsl.PipelineConfig(workspace=volume)


@dataclass(frozen=True)
class Trials:
    """Trials of a search, in the place of one training.

    Args:
        rungs: for each rung, what each trial is to get as `--trial` of mine-and-train, all in the same order.
        keep: how many go on after each rung but the last.
        by: the score that decides.
    """

    rungs: Sequence[Sequence[str]]
    keep: Sequence[int]
    by: str


def _task(component: Any, **given: Any) -> dsl.PipelineTask:
    """A task of a component that is passed every parameter, its component's default where nothing else is given.

    Server 2.17.0 refuses an argument whose parameter the pipeline does not pass, and no server's cache key holds a
    default: after a change of one, a cluster would answer with what the old one gave.
    """
    inputs = component.component_spec.inputs
    return component(**{name: one.default for name, one in inputs.items() if one.default is not None} | given)


def _faces(
    cluster: ClusterSettings,
    stage: Any,
    name: str,
    description: str,
    *,
    source: str,
    memory: int,
    shared_memory: int = 0,
) -> Any:
    """A pipeline inside the pipeline: the faces that a stage makes of its `source`, a part of it by each task.

    One box in Kubeflow's graph, whose page cannot show a longer one whole. For `memory`, see `ClusterSettings.limit`.
    """

    @dsl.pipeline(name=name, description=description)
    def faces(photos: str, shards: list[str], pictures: bool) -> list[dsl.Artifact]:
        given = dsl.importer(artifact_uri=photos, artifact_class=dsl.Artifact, reimport=False)
        given.set_display_name(source)
        with dsl.ParallelFor(items=shards, name="shards") as shard:
            extracted = _task(stage, **{source: given.output}, pictures=pictures, shard=shard)
            cluster.limit(extracted, cpus=4, memory=memory, shared_memory=shared_memory)
        return dsl.Collected(extracted.outputs["faces"])

    return faces


def _extraction(cluster: ClusterSettings) -> Any:
    about = "The faces in the photos, a part of the photos by each task."
    return _faces(cluster, extract, "extraction", about, source="photos", memory=4, shared_memory=1)


def _importing(cluster: ClusterSettings) -> Any:
    about = "Crops that others made, a part of the source by each task."
    return _faces(cluster, import_faces, "importing", about, source="source", memory=2)


def _best(cluster: ClusterSettings, trials: Trials, train: Callable[..., dsl.PipelineTask]) -> Any:
    """The checkpoint of the best trial: a loop over the trials of each rung, and after each a choice among them.

    Each rung trains from the beginning: on a cluster several pods cannot be counted on to share a volume.
    """
    going: Any = list(trials.rungs[0])
    for number, rung in enumerate(trials.rungs):
        last = number == len(trials.rungs) - 1
        with dsl.ParallelFor(items=going, name=f"rung-{number + 1}") as trial:
            trained = train(trial=trial)
        chosen = choose(
            checkpoints=dsl.Collected(trained.outputs["checkpoint"]),
            by=trials.by,
            these=list(rung),
            next=[] if last else list(trials.rungs[number + 1]),
            keep=1 if last else trials.keep[number],
        )
        cluster.limit(chosen, cpus=1, memory=2)
        going = chosen.outputs["going"]
    return chosen.outputs["checkpoint"]


def pipeline(cluster: ClusterSettings, *, imports: bool = False, trials: Trials | None = None) -> Any:
    """The pipeline, ready to compile, for a cluster.

    Args:
        cluster: the cluster.
        imports: whether the parameter `photos` names crops that others made, which import-faces takes over in place of
            extract. One pipeline with both would run, and on a cluster feed, a task that does nothing.
        trials: of a search, of which the best is what is embedded, evaluated and exported; None for one training.
    """
    first, name = (_importing(cluster), "import") if imports else (_extraction(cluster), "extract")

    @dsl.pipeline(
        name="facenet",
        description=_DESCRIPTION,
        pipeline_config=cluster.config,
    )
    def facenet(
        photos: str,
        shards: list[str] = _ONE_SHARD,
        min_examples: int = 2,
        backbone: str = "inception_resnet_v2",
        image_size: int = 160,
        embedding_size: int = 128,
        pretrained: str = "",
        teacher: str = "",
        rounds: int = 100,
        export: str = "float32,int8",
        pictures: bool = True,
        seed: int = 0,
    ) -> None:
        """Wires the stages.

        Args:
            photos: URI of a folder of photos, one folder per identity, or of a source of crops: `gs://`, `s3://`,
                `minio://` or a local path.
            shards: how extract and embed are divided among tasks that run at the same time: `["1/2", "2/2"]` for two.
            min_examples: identities with fewer faces are left out.
            backbone: the network; see components/model/backbones.
            image_size: side of its input in pixels.
            embedding_size: length of its output.
            pretrained: weights to start from; empty for random ones.
            teacher: a network to learn the embeddings of: `dlib`, or a `.tflite` file; empty for none.
            rounds: how often to sample, mine and train.
            export: the LiteRT files to write, of float32, float16, dynamic, int8, with commas between; empty for none.
            pictures: false shows no faces and no photos in any stage's card.
            seed: of every random choice.
        """
        extracted = first(photos=photos, shards=shards, pictures=pictures).set_display_name(name)
        collected = _task(collect, extracted=extracted.output, min_examples=min_examples, pictures=pictures)
        cluster.limit(collected, cpus=1, memory=4)
        taught = _task(
            teach,
            dataset=collected.outputs["dataset"],
            faces=collected.outputs["faces"],
            network=teacher,
            flip_averaging=True,
            pictures=pictures,
        )
        cluster.limit(taught, cpus=4, memory=8)

        def train(**given: Any) -> dsl.PipelineTask:
            trained = _task(
                mine_and_train,
                dataset=collected.outputs["dataset"],
                faces=collected.outputs["faces"],
                teacher=taught.outputs["embeddings"],
                training=cluster.training,
                backbone=backbone,
                image_size=image_size,
                embedding_size=embedding_size,
                pretrained=pretrained,
                rounds=rounds,
                pictures=pictures,
                seed=seed,
                **given,
            )
            cluster.limit(trained, cpus=8, memory=16, shared_memory=2)
            cluster.use_gpus(trained)
            cluster.retry(trained)
            return trained

        checkpoint = train().outputs["checkpoint"] if trials is None else _best(cluster, trials, train)
        with dsl.ParallelFor(items=shards, name="embed") as shard:
            embedded = _task(
                embed,
                dataset=collected.outputs["dataset"],
                faces=collected.outputs["faces"],
                checkpoint=checkpoint,
                pictures=pictures,
                shard=shard,
            )
            cluster.limit(embedded, cpus=4, memory=8)
        scored = _task(
            evaluate,
            embeddings=dsl.Collected(embedded.outputs["embeddings"]),
            faces=collected.outputs["faces"],
            pictures=pictures,
            seed=seed,
        )
        cluster.limit(scored, cpus=1, memory=4)
        exported = _task(
            export_component,
            dataset=collected.outputs["dataset"],
            faces=collected.outputs["faces"],
            checkpoint=checkpoint,
            report=scored.outputs["report"],
            variants=export,
            seed=seed,
        )
        cluster.limit(exported, cpus=4, memory=8)

    return facenet

"""The pipeline: photos in, a face network and a verification report out."""

from kfp import dsl

from components.collect.component import collect
from components.embed.component import embed
from components.evaluate.component import evaluate
from components.export.component import export as export_component
from components.extract.component import extract
from components.mine_and_train.component import mine_and_train

_ONE_SHARD = ["1/1"]


def _sized(task: dsl.PipelineTask, cpus: int, memory: int) -> dsl.PipelineTask:
    """Says what a task may use at most, asks for half of it, and for another try when its pod is lost.

    Args:
        task: the task.
        cpus: processors.
        memory: gigabytes.
    """
    task.set_cpu_request(f"{cpus * 500}m").set_cpu_limit(str(cpus))
    task.set_memory_request(f"{memory * 500}M").set_memory_limit(f"{memory}G")
    return task.set_retry(num_retries=2, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="10m")


@dsl.pipeline(name="embed-shards", description="The dataset's embeddings, a part of the dataset by each task.")
def embed_shards(
    dataset: dsl.Input[dsl.Dataset],
    faces: dsl.Input[list[dsl.Artifact]],
    checkpoint: dsl.Input[dsl.Model],
    shards: list[str],
    pictures: bool,
) -> list[dsl.Artifact]:
    """Fans embed out: a pipeline of its own, because kfp lets no collected artifacts into a loop otherwise."""
    with dsl.ParallelFor(items=shards, name="shards of embed") as shard:
        embedded = embed(dataset=dataset, faces=faces, checkpoint=checkpoint, pictures=pictures, shard=shard)
        _sized(embedded, cpus=4, memory=8)
    return dsl.Collected(embedded.outputs["embeddings"])


@dsl.pipeline(name="facenet", description="Photos in; a face-embedding network and its verification report out.")
def facenet(
    photos: str,
    shards: list[str] = _ONE_SHARD,
    min_examples: int = 2,
    backbone: str = "inception_resnet_v2",
    image_size: int = 160,
    embedding_size: int = 128,
    pretrained: str = "",
    rounds: int = 100,
    export: str = "float32,int8",
    pictures: bool = True,
    seed: int = 0,
) -> None:
    """Wires the stages.

    Args:
        photos: URI of a folder of photos, one folder per identity: `gs://`, `s3://`, `minio://` or
            a local path.
        shards: how extract and embed are divided among tasks that run at the same time: `["1/2", "2/2"]` for two.
        min_examples: identities with fewer faces are left out.
        backbone: the network; see components/model/backbones.
        image_size: side of its input in pixels.
        embedding_size: length of its output.
        pretrained: weights to start from; empty for random ones.
        rounds: how often to sample, mine and train.
        export: the LiteRT files to write, of float32, float16, dynamic and int8, with commas between; empty for none.
        pictures: false shows no faces and no photos in any stage's card.
        seed: of every random choice.
    """
    source = dsl.importer(artifact_uri=photos, artifact_class=dsl.Artifact, reimport=False)
    source.set_display_name("photos")
    with dsl.ParallelFor(items=shards, name="shards of extract") as shard:
        found = _sized(extract(photos=source.output, pictures=pictures, shard=shard), cpus=4, memory=4)

    def faces() -> dsl.Collected:
        # Anew for each reader: the compiler changes what it is given.
        return dsl.Collected(found.outputs["faces"])

    collected = _sized(collect(faces=faces(), min_examples=min_examples, pictures=pictures), cpus=1, memory=4)
    trained = mine_and_train(
        dataset=collected.outputs["dataset"],
        faces=faces(),
        backbone=backbone,
        image_size=image_size,
        embedding_size=embedding_size,
        pretrained=pretrained,
        rounds=rounds,
        pictures=pictures,
        seed=seed,
    )
    _sized(trained, cpus=8, memory=16)
    embedded = embed_shards(
        dataset=collected.outputs["dataset"],
        faces=faces(),
        checkpoint=trained.outputs["checkpoint"],
        shards=shards,
        pictures=pictures,
    )
    scored = evaluate(embeddings=embedded.output, faces=faces(), pictures=pictures, seed=seed)
    _sized(scored, cpus=1, memory=4)
    exported = export_component(
        dataset=collected.outputs["dataset"],
        faces=faces(),
        checkpoint=trained.outputs["checkpoint"],
        report=scored.outputs["report"],
        variants=export,
        seed=seed,
    )
    _sized(exported, cpus=4, memory=8)

"""The Kubeflow specification of embed."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def embed(
    dataset: dsl.Input[dsl.Dataset],
    faces: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Input[dsl.Model],
    embeddings: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    shard: str = "1/1",
    pictures: bool = True,
):
    """Embeds every face of a dataset with a trained network."""
    return dsl.ContainerSpec(
        image=reference("embed"),
        command=command("embed"),
        args=[
            "--input", dataset.path,
            "--faces", faces.path,
            "--checkpoint", checkpoint.path,
            "--output", embeddings.path,
            "--shard", shard,
            "--html", card.path,
            "--pictures", pictures,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

"""The Kubeflow specification of embed."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def embed(
    dataset: dsl.Input[dsl.Dataset],
    faces: dsl.Input[list[dsl.Artifact]],
    checkpoint: dsl.Input[dsl.Model],
    embeddings: dsl.Output[dsl.Artifact],
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
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
            "--checkpoint", checkpoint.path,
            "--output", embeddings.path,
            "--shard", shard,
            "--html", html.path,
            "--markdown", markdown.path,
            "--pictures", pictures,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

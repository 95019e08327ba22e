"""The Kubeflow specification of collect."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def collect(
    extracted: dsl.Input[list[dsl.Artifact]],
    faces: dsl.Output[dsl.Artifact],
    dataset: dsl.Output[dsl.Dataset],
    dropped: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    min_examples: int = 2,
    drop_duplicates: bool = True,
    validation: float = 0.1,
    test: float = 0.2,
    pictures: bool = True,
):
    """Chooses the faces to learn from, and who is kept unseen."""
    return dsl.ContainerSpec(
        image=reference("collect"),
        command=command("collect"),
        args=[
            "--output", dataset.path,
            "--faces", faces.path,
            "--dropped", dropped.path,
            "--html", card.path,
            "--min_examples", min_examples,
            "--drop_duplicates", drop_duplicates,
            "--validation", validation,
            "--test", test,
            "--pictures", pictures,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

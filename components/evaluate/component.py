"""The Kubeflow specification of evaluate."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def evaluate(
    embeddings: dsl.Input[list[dsl.Artifact]],
    faces: dsl.Input[dsl.Artifact],
    report: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    roc: dsl.Output[dsl.ClassificationMetrics],
    split: str = "test",
    folds: int = 10,
    max_pairs: int = 1000000,
    pictures: bool = True,
    seed: int = 0,
):
    """Scores embeddings, of people kept out of training unless told otherwise."""
    return dsl.ContainerSpec(
        image=reference("evaluate"),
        command=command("evaluate"),
        args=[
            "--output", report.path,
            "--faces", faces.path,
            "--html", card.path,
            "--split", split,
            "--folds", folds,
            "--max_pairs", max_pairs,
            "--pictures", pictures,
            "--seed", seed,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

"""The Kubeflow specification of export."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def export(
    dataset: dsl.Input[dsl.Dataset],
    faces: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Input[dsl.Model],
    report: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    card: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    variants: str = "float32,float16,dynamic,int8",
    calibration: int = 200,
    held_out: int = 1000,
    seed: int = 0,
):
    """Exports the network to LiteRT files that see faces as it does."""
    return dsl.ContainerSpec(
        image=reference("export"),
        command=command("export"),
        args=[
            "--input", dataset.path,
            "--faces", faces.path,
            "--checkpoint", checkpoint.path,
            "--report", report.path,
            "--output", model.path,
            "--html", card.path,
            "--variants", variants,
            "--calibration", calibration,
            "--held_out", held_out,
            "--seed", seed,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

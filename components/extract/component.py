"""The Kubeflow specification of extract."""

from kfp import dsl

from pipelines.images import command, reference


@dsl.container_component
def extract(
    photos: dsl.Input[dsl.Artifact],
    faces: dsl.Output[dsl.Artifact],
    rejects: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    which_faces: str = "largest",
    margin: float = 0.25,
    alignment: str = "none",
    pictures: bool = True,
    shard: str = "1/1",
):
    """Finds the faces in a folder of photos."""
    return dsl.ContainerSpec(
        image=reference("extract"),
        command=command("extract"),
        args=[
            "--input", photos.path,
            "--output", faces.path,
            "--rejects", rejects.path,
            "--html", card.path,
            "--faces", which_faces,
            "--margin", margin,
            "--alignment", alignment,
            "--pictures", pictures,
            "--shard", shard,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

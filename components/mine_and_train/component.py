"""The Kubeflow specification of mine-and-train."""

from kfp import dsl

from pipelines.images import reference


@dsl.container_component
def mine_and_train(
    dataset: dsl.Input[dsl.Dataset],
    faces: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    backbone: str = "inception_resnet_v2",
    image_size: int = 160,
    embedding_size: int = 128,
    pretrained: str = "",
    rounds: int = 100,
    identities_per_round: int = 100,
    faces_per_identity: int = 25,
    margin: float = 0.2,
    learning_rate: float = 0.001,
    schedule: str = "constant",
    jitter: float = 0.0,
    batch_size: int = 96,
    max_batches: int = 100,
    seed: int = 0,
):
    """Trains the network on triplets mined from its own state."""
    return dsl.ContainerSpec(
        image=reference("mine-and-train"),
        command=["python", "-u", "-m", "components.mine_and_train"],
        args=[
            "--input", dataset.path,
            "--faces", faces.path,
            "--checkpoint", checkpoint.path,
            "--backbone", backbone,
            "--image_size", image_size,
            "--embedding_size", embedding_size,
            "--pretrained", pretrained,
            "--rounds", rounds,
            "--identities_per_round", identities_per_round,
            "--faces_per_identity", faces_per_identity,
            "--margin", margin,
            "--learning_rate", learning_rate,
            "--schedule", schedule,
            "--jitter", jitter,
            "--batch_size", batch_size,
            "--max_batches", max_batches,
            "--seed", seed,
            "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )  # fmt: skip

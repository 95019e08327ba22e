"""The Kubeflow specification of mine-and-train."""

from kfp import dsl

from components.mine_and_train.settings import Settings
from components.specification.component import component
from components.specification.images import command, reference


# kfp reads a component's types.
@dsl.container_component
def choose(
    checkpoints: dsl.Input[list[dsl.Model]],
    checkpoint: dsl.Output[dsl.Model],
    going: dsl.OutputPath(list),  # type: ignore[valid-type]
    by: str,
    these: list[str],
    next: list[str],
    keep: int,
) -> dsl.ContainerSpec:
    """Choose among trials of a search by the people held out for validation."""
    words = ["--checkpoint", checkpoint.path, "--going", going, "--by", by, "--these", these, "--next", next]
    words += ["--keep", keep, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    return dsl.ContainerSpec(
        image=reference("mine-and-train"), command=[*command("mine-and-train"), "choose"], args=words
    )


mine_and_train = component(
    "mine-and-train",
    Settings,
    reads={"dataset": (dsl.Dataset, "input"), "faces": (dsl.Artifact, "faces"), "teacher": (dsl.Artifact, "teacher")},
    writes={
        "checkpoint": (dsl.Model, "checkpoint"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
)

"""The Kubeflow specification of the choice between the rungs of a search: `components/mine_and_train/choose.py`."""

# Without `from __future__ import annotations`: kfp reads a component's types.
from kfp import dsl

from components.specification.images import command, reference

_STAGE = "mine-and-train"


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
    return dsl.ContainerSpec(image=reference(_STAGE), command=[*command(_STAGE), "choose"], args=words)

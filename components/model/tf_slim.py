"""The weights of a TF-Slim checkpoint, by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import keras

from components.common.errors import UsageError

# What our layers after the backbone are called there: the networks that were trained on faces have both.
_EMBEDDING = {"embedding": "Bottleneck", "embedding_normalisation": "Bottleneck.BatchNorm"}
# The scope above all variables of a backbone.
ROOTS = {"inception_resnet_v1": "InceptionResnetV1", "inception_resnet_v2": "InceptionResnetV2"}
_HEADS = ("Logits", "AuxLogits", "Bottleneck")
_KERAS_NAMES = {
    "kernel": "weights",
    "bias": "biases",
    "beta": "BatchNorm/beta",
    "moving_mean": "BatchNorm/moving_mean",
    "moving_variance": "BatchNorm/moving_variance",
}


def names(backbone: str, layers: list[keras.Layer]) -> dict[str, keras.Variable]:
    """The variables of a network's layers by their names in a TF-Slim checkpoint.

    Args:
        backbone: a key of `ROOTS`.
        layers: of the backbone, see `components.model.backbones.inception` for how they are called; and those of the
            embedding, if they are wanted.
    """
    named = {}
    for layer in layers:
        name = _EMBEDDING.get(layer.name, layer.name)
        scope = "/".join([ROOTS[backbone], *name.removesuffix(".BatchNorm").split(".")])
        for variable in layer.weights:
            named[f"{scope}/{_KERAS_NAMES[variable.name]}"] = variable
    return named


def read(path: Path) -> tuple[dict[str, tuple[int, ...]], Any]:
    """Opens a TensorFlow checkpoint, of the V1 or the V2 format.

    Args:
        path: the file, or the prefix of the files.

    Returns:
        The shape of each variable by name, and a reader whose `get_tensor(name)` gives its value.

    Raises:
        UsageError: the checkpoint is damaged.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(path))
        return {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}, reader
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise damaged_error(path, error) from error


def damaged_error(path: Path, error: Exception) -> UsageError:
    """The error for a checkpoint that TensorFlow cannot read."""
    return UsageError(
        "TensorFlow cannot read this checkpoint.",
        received=f"{path} ({str(error).strip().splitlines()[0][:200]})",
        advice="The file is damaged or incomplete: fetch it again.",
    )


def left_out(backbone: str, stored: list[str], restored: set[str]) -> list[str]:
    """Says what of a checkpoint was not restored, by the reason, one line each with the number of variables.

    Args:
        backbone: a key of `ROOTS`.
        stored: the names of all variables in the checkpoint.
        restored: those that were.
    """
    reasons = Counter(_reason(name, ROOTS[backbone], restored) for name in stored if name not in restored)
    return [f"{count} variables, {reason}" for reason, count in sorted(reasons.items())]


def _reason(name: str, root: str, restored: set[str]) -> str:
    parts = name.split("/")
    if parts[0] == root and len(parts) > 1 and parts[1] in _HEADS:
        return f"the head {root}/{parts[1]}"
    # A slot is called after the variable it belongs to: .../weights/RMSProp_1, .../weights/ExponentialMovingAverage.
    if "/".join(parts[:-1]) in restored:
        return "slots of an optimiser or averages of weights"
    if parts[0] != root:
        return "step counters and other state of the training"
    return f"unknown to this backbone, such as {name}"

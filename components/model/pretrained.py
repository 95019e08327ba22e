"""Starts a network from the weights of another."""

from __future__ import annotations

from pathlib import Path

import keras

from components.common.errors import UsageError
from components.model.checkpoint import load
from components.model.network import EMBEDDING_LAYER, Architecture

_HEAD = (EMBEDDING_LAYER, "embedding_normalisation")


def start_from(network: keras.Model, architecture: Architecture, path: Path) -> list[str]:
    """Copies the weights of a checkpoint into a network of the same backbone, in place.

    The embedding layer is copied when both are of one size, and otherwise keeps its random weights.

    Args:
        network: what `architecture` describes.
        architecture: of the network to train.
        path: the checkpoint to start from.

    Returns:
        Lines that say what was restored and what was left out.

    Raises:
        UsageError: another backbone, or a backbone variable of another shape.
    """
    source = load(path)
    if source.architecture.backbone != architecture.backbone:
        raise UsageError(
            "The pretrained checkpoint has another backbone.",
            received=f"{path}: {source.architecture.backbone}, to train: {architecture.backbone}",
            advice=f"Give --backbone {source.architecture.backbone}, or another checkpoint.",
        )
    skipped = _HEAD if source.architecture.embedding_size != architecture.embedding_size else ()
    for target, found in zip(network.layers, source.network.layers, strict=True):
        if target.name in skipped:
            continue
        shapes = (
            [tuple(weight.shape) for weight in target.weights],
            [tuple(weight.shape) for weight in found.weights],
        )
        if shapes[0] != shapes[1]:
            raise UsageError(
                "A variable of the pretrained checkpoint has another shape.",
                received=f"{path}, layer {target.name}: {shapes[1]}, to train: {shapes[0]}",
                advice=f"Give --image_size {source.architecture.image_size}, the size it was trained with.",
            )
        target.set_weights(found.get_weights())
    restored = len(network.weights) - sum(len(network.get_layer(name).weights) for name in skipped)
    lines = [f"{restored} of {len(network.weights)} variables restored from {path}"]
    if skipped:
        lines.append(
            f"left out: {', '.join(skipped)} (embedding size {source.architecture.embedding_size}, "
            f"to train: {architecture.embedding_size})"
        )
    return lines

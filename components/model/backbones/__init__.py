"""The backbones by name. A new one is a file here and a line below.

A backbone module has `build(image_size) -> keras.Model`: float32 images [n, image_size, image_size, 3] in [-1, 1] to
features [n, anything], without a classification head.
"""

from __future__ import annotations

import importlib
from typing import Any

from components.common.errors import UsageError
from components.common.preprocessing import LARGEST_IMAGE

# name: (module, smallest input in pixels)
BACKBONES = {
    "dlib_resnet": ("components.model.backbones.dlib_resnet", 103),
    "dlib_slim": ("components.model.backbones.dlib_slim", 68),
    "dlib_tiny": ("components.model.backbones.dlib_tiny", 68),
    "inception_resnet_v1": ("components.model.backbones.inception_resnet_v1", 75),
    "inception_resnet_v2": ("components.model.backbones.inception_resnet_v2", 75),
    "mobilefacenet": ("components.model.backbones.mobilefacenet", 32),
    "small_resnet": ("components.model.backbones.small_resnet", 32),
}


def check(name: str, image_size: int) -> None:
    """Raises UsageError for an unknown backbone or an input that it does not take."""
    if name not in BACKBONES:
        raise UsageError("Unknown backbone.", received=name, advice=f"Known: {', '.join(BACKBONES)}.")
    _, smallest = BACKBONES[name]
    if not smallest <= image_size <= LARGEST_IMAGE:
        raise UsageError(
            f"This image size does not fit the backbone {name}.",
            received=f"image_size={image_size}",
            advice=f"Give {smallest} to {LARGEST_IMAGE} pixels.",
        )


def build(name: str, image_size: int) -> Any:
    """Builds a backbone with random weights.

    Args:
        name: a key of `BACKBONES`.
        image_size: side of the input in pixels.

    Returns:
        keras.Model, [n, image_size, image_size, 3] -> [n, features].

    Raises:
        UsageError: unknown name, or an input that the network does not take.
    """
    check(name, image_size)
    module, _ = BACKBONES[name]
    return importlib.import_module(module).build(image_size)

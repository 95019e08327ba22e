"""dlib's network for faces: 29 convolutions in residual blocks, for the weights that dlib has published.

It is defined in dlib's examples/dnn_face_recognition_ex.cpp: ResNet-34 (He et al., 2016) with fewer blocks and half of
the filters, and without padding where a stride is 2. The shortcuts have no weights: an average of 2 x 2 places, and
zeros for the channels that are missing. Where the two sides of a sum differ in size, zeros follow below and to the
right.

There is no BatchNorm: what dlib's had learnt is multiplied into the convolutions (`components.model.dlib_weights`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from components.model.backbones.convolution import Conv2D

# Filters, blocks; every level but the first begins with a block of stride 2.
LEVELS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
WIDTHS = tuple(width for width, _ in LEVELS)


def residual_levels(x: Any, inside: Sequence[int]) -> Any:
    """All residual blocks.

    Args:
        x: [n, height, width, 32].
        inside: filters between the two convolutions of a block, for each level.

    Returns:
        [n, height, width, 256], 1/16 of the size.
    """
    for level, (width, blocks) in enumerate(LEVELS):
        for block in range(blocks):
            x = _block(x, inside[level], width, stride=2 if level > 0 and block == 0 else 1)
    return x


def _block(x: Any, inside: int, width: int, stride: int) -> Any:
    y = Conv2D(inside, 3, strides=stride, padding="same" if stride == 1 else "valid", activation="relu")(x)
    y = Conv2D(width, 3, padding="same")(y)
    shortcut = layers.AveragePooling2D(2)(x) if stride == 2 else x
    return layers.ReLU()(layers.Add()([_enlarge(y, shortcut.shape), _enlarge(shortcut, y.shape)]))


def _enlarge(x: Any, shape: tuple[int | None, ...]) -> Any:
    """Zeros after the last row, column and channel, up to a shape where that is larger."""
    missing = [(0, max(0, wanted - size)) for size, wanted in zip(x.shape[1:], shape[1:], strict=True)]
    return keras.ops.pad(x, [(0, 0), *missing]) if any(after for _, after in missing) else x


def build(image_size: int) -> keras.Model:
    """5.6 M parameters, 256 features."""
    images = layers.Input((image_size, image_size, 3))
    x = Conv2D(WIDTHS[0], 7, strides=2, activation="relu")(images)
    x = layers.MaxPooling2D(3, strides=2)(x)
    features = layers.GlobalAveragePooling2D()(residual_levels(x, WIDTHS))
    return keras.Model(images, features, name="dlib_resnet")

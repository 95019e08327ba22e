"""Inception-ResNet-v2 (Szegedy et al., 2016, section 3.2), the network of this project."""

from __future__ import annotations

import keras
from keras import layers

from components.model.backbones.inception import (
    block8,
    block17,
    block35,
    branch,
    convolution,
    pool,
    pooling,
    reduction,
    stem,
)


def _mixed_5b(x: keras.KerasTensor) -> keras.KerasTensor:
    averaged = layers.AveragePooling2D(3, strides=1, padding="same", name="Mixed_5b.Branch_3.AvgPool_0a_3x3")(x)
    branches = [
        branch(x, "Mixed_5b.Branch_0", [("Conv2d_1x1", 96, (1, 1))]),
        branch(x, "Mixed_5b.Branch_1", [("Conv2d_0a_1x1", 48, (1, 1)), ("Conv2d_0b_5x5", 64, (5, 5))]),
        branch(
            x,
            "Mixed_5b.Branch_2",
            [("Conv2d_0a_1x1", 64, (1, 1)), ("Conv2d_0b_3x3", 96, (3, 3)), ("Conv2d_0c_3x3", 96, (3, 3))],
        ),
        branch(averaged, "Mixed_5b.Branch_3", [("Conv2d_0b_1x1", 64, (1, 1))]),
    ]
    return layers.Concatenate(name="Mixed_5b.Concatenate")(branches)


def build(image_size: int) -> keras.Model:
    """Inception-ResNet-v2 up to its global average pooling: 54 M parameters, 1,536 features.

    The graph is that of TF-Slim's ImageNet checkpoint: "VALID" stem, BatchNorm without gamma, input in [-1, 1].
    """
    images = layers.Input((image_size, image_size, 3))
    x = _mixed_5b(pooling(stem(images), "MaxPool_5a_3x3"))
    for number in range(1, 11):
        x = block35(x, f"Repeat.block35_{number}", (32, 48, 64))
    x = reduction(
        x,
        "Mixed_6a",
        [
            [("Conv2d_1a_3x3", 384, (3, 3))],
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_0b_3x3", 256, (3, 3)), ("Conv2d_1a_3x3", 384, (3, 3))],
        ],
    )
    for number in range(1, 21):
        x = block17(x, f"Repeat_1.block17_{number}", (192, 128, 160, 192))
    x = reduction(
        x,
        "Mixed_7a",
        [
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_1a_3x3", 384, (3, 3))],
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_1a_3x3", 288, (3, 3))],
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_0b_3x3", 288, (3, 3)), ("Conv2d_1a_3x3", 320, (3, 3))],
        ],
    )
    for number in range(1, 10):
        x = block8(x, f"Repeat_2.block8_{number}", (192, 192, 224, 256))
    x = block8(x, "Block8", (192, 192, 224, 256), last=True)
    return pool(images, convolution(x, "Conv2d_7b_1x1", 1536, (1, 1)), "inception_resnet_v2")

"""Inception-ResNet-v1 (Szegedy et al., 2016, section 3.2) as the FaceNet community trains it on 160-pixel faces."""

from __future__ import annotations

import keras
from keras import layers

from components.model.backbones.inception import block8, block17, block35, convolution, pool, reduction, stem


def build(image_size: int) -> keras.Model:
    """Inception-ResNet-v1 up to its global average pooling: 23 M parameters, 1,792 features.

    The scopes are those of the community's TF-Slim checkpoints; BatchNorm has no gamma, the input is in [-1, 1]
    or, as those of 2017 want it, standardised.
    """
    images = layers.Input((image_size, image_size, 3))
    x = convolution(stem(images), "Conv2d_4b_3x3", 256, (3, 3), strides=2, padding="valid")
    for number in range(1, 6):
        x = block35(x, f"Repeat.block35_{number}", (32, 32, 32))
    x = reduction(
        x,
        "Mixed_6a",
        [
            [("Conv2d_1a_3x3", 384, (3, 3))],
            [("Conv2d_0a_1x1", 192, (1, 1)), ("Conv2d_0b_3x3", 192, (3, 3)), ("Conv2d_1a_3x3", 256, (3, 3))],
        ],
    )
    for number in range(1, 11):
        x = block17(x, f"Repeat_1.block17_{number}", (128, 128, 128, 128))
    x = reduction(
        x,
        "Mixed_7a",
        [
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_1a_3x3", 384, (3, 3))],
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_1a_3x3", 256, (3, 3))],
            [("Conv2d_0a_1x1", 256, (1, 1)), ("Conv2d_0b_3x3", 256, (3, 3)), ("Conv2d_1a_3x3", 256, (3, 3))],
        ],
    )
    for number in range(1, 6):
        x = block8(x, f"Repeat_2.block8_{number}", (192, 192, 192, 192))
    return pool(images, block8(x, "Block8", (192, 192, 192, 192), last=True), "inception_resnet_v1")

"""dlib's network for faces with less in it, to start from dlib's weights and learn what is lost from its embeddings.

It differs from `dlib_resnet` in two things that cost most of the time and can be had from its weights:

- Between the two convolutions of a residual block it has fewer filters. What a block reads and writes stays as it is,
  so that the next block finds what it knows (Li et al., 2017, "Pruning Filters for Efficient ConvNets", section 3.3).
- It sees half of the resolution, and one convolution of stride 2 stands for the first and the pooling after it. From
  there on it has as many places as dlib's at 150 pixels: in a network whose last level has 2 x 2 of them, their number
  matters as much as the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from components.model.backbones.convolution import Conv2D
from components.model.backbones.dlib_resnet import WIDTHS, residual_levels

STEM = 6
INSIDE = (16, 32, 64, 128, 128)


def build_slim(image_size: int, inside: Sequence[int], name: str) -> keras.Model:
    """256 features.

    Args:
        image_size: 68 to 75 pixels have the places of dlib's 150; 75 show what its 150 do.
        inside: see `residual_levels`.
        name: of the model.
    """
    images = layers.Input((image_size, image_size, 3))
    x = Conv2D(WIDTHS[0], STEM, strides=2, activation="relu")(images)
    return keras.Model(images, layers.GlobalAveragePooling2D()(residual_levels(x, inside)), name=name)


def build(image_size: int) -> keras.Model:
    """2.8 M parameters, 256 features."""
    return build_slim(image_size, INSIDE, "dlib_slim")

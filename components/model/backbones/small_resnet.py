"""A small residual network of plain convolutions (He et al., 2016), made to train on a CPU.

On a CPU small and fast are not the same: depthwise convolutions (MobileNet and its kin) have fewer parameters and
train several times slower per image. The one depthwise layer here is the last: a learned global pooling, as in
MobileFaceNet (Chen et al., 2018, section 3.1), because the corners of a face crop tell less than its centre.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from components.model.backbones.convolution import Conv2D
from components.model.backbones.normalization import normalize

STEM = 32
WIDTHS = (32, 64, 128, 256)


def _block(x: Any, width: int) -> Any:
    shortcut = Conv2D(width, 1, strides=2, padding="same", use_bias=False)(x)
    x = Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(normalize(x))
    x = normalize(Conv2D(width, 3, padding="same", use_bias=False)(x))
    return layers.ReLU()(layers.Add()([x, shortcut]))


def build(image_size: int) -> keras.Model:
    """1.2 M parameters, 256 features, 1/32 of the input's side before the pooling."""
    images = layers.Input((image_size, image_size, 3))
    x = Conv2D(STEM, 3, strides=2, padding="same", use_bias=False)(images)
    x = layers.ReLU()(normalize(x))
    for width in WIDTHS:
        x = _block(x, width)
    x = normalize(layers.DepthwiseConv2D(x.shape[1], use_bias=False)(x))
    return keras.Model(images, layers.Flatten()(x), name="small_resnet")

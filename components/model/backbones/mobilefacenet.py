"""MobileFaceNet (Chen et al., 2018, section 3.3 and table 1): few operations for a face, for a Raspberry Pi.

On a CPU it trains several times slower per image than `small_resnet`; once trained, it is the smaller and quicker.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from components.model.backbones.convolution import Conv2D
from components.model.backbones.normalization import normalize

# Expansion, channels, repeats, stride of the first: the bottlenecks of table 1.
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def _activate(x: Any) -> Any:
    # One slope for each channel: PReLU's own default would be one for each pixel of it.
    return layers.PReLU(shared_axes=[1, 2])(normalize(x))


def _bottleneck(x: Any, expansion: int, width: int, stride: int) -> Any:
    inside = _activate(Conv2D(expansion * x.shape[-1], 1, use_bias=False)(x))
    inside = _activate(layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(inside))
    inside = normalize(Conv2D(width, 1, use_bias=False)(inside))
    return layers.Add()([x, inside]) if stride == 1 and x.shape[-1] == width else inside


def build(image_size: int) -> keras.Model:
    """0.96 M parameters at 112 pixels, 512 features: the embedding layer is the paper's last 1x1 convolution."""
    images = layers.Input((image_size, image_size, 3))
    x = _activate(Conv2D(64, 3, strides=2, padding="same", use_bias=False)(images))
    x = _activate(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    for expansion, width, repeats, stride in BOTTLENECKS:
        for number in range(repeats):
            x = _bottleneck(x, expansion, width, stride if number == 0 else 1)
    x = _activate(Conv2D(512, 1, use_bias=False)(x))
    x = normalize(layers.DepthwiseConv2D(x.shape[1], use_bias=False)(x))
    return keras.Model(images, layers.Flatten()(x), name="mobilefacenet")

"""Inception-ResNet-v2 (Szegedy et al., 2016, section 3.2), the network of this project."""

from __future__ import annotations

import keras


def build(image_size: int) -> keras.Model:
    """Inception-ResNet-v2 up to its global average pooling: 54 M parameters, 1,536 features.

    The graph is that of TF-Slim's ImageNet checkpoint: "VALID" stem, BatchNorm without gamma, input in [-1, 1].
    """
    return keras.applications.InceptionResNetV2(
        include_top=False, weights=None, input_shape=(image_size, image_size, 3), pooling="avg"
    )

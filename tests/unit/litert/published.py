"""A model that somebody else might publish: built here in TensorFlow, with random weights."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

SPECIFICATION = {"format": 1, "preprocessing": {"crop": {"margin": 0.25, "alignment": "none"}}}
# A convolution over blocks of 8 by 8 pixels.
KERNEL = np.random.default_rng(0).normal(size=(8, 8, 3, 192)).astype(np.float32)
IMAGES = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), np.uint8)


def embedded(images):
    """float32 [n, 16, 16, 3] -> float32 [n, 192], of any length."""
    return tf.reduce_mean(tf.nn.conv2d(images, KERNEL, 8, "VALID"), [1, 2])


def converted(call, shape, kind=tf.float32, **settings) -> bytes:
    """A LiteRT model of a function of one tensor."""
    concrete = tf.function(call).get_concrete_function(tf.TensorSpec(shape, kind))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    for name, value in settings.items():
        setattr(converter, name, value)
    return converter.convert()


@functools.cache
def pair_model() -> bytes:
    """Takes two images at a time and gives two embeddings of length 192."""
    return converted(embedded, [2, 16, 16, 3])

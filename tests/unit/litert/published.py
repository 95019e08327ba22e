"""A model that somebody else might publish: built here in TensorFlow, with random weights."""

from __future__ import annotations

import functools
import json

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from components.common.preprocessing import LITERT_ENTRY

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


def with_record(model: bytes, record) -> bytes:
    """The model with what it wants of a face inside, as an exported file has it."""
    unpacked = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    unpacked.buffers.append(schema.BufferT(data=np.frombuffer(json.dumps(record).encode(), np.uint8)))
    entry = schema.MetadataT(name=LITERT_ENTRY, buffer=len(unpacked.buffers) - 1)
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(unpacked))


@functools.cache
def pair_model() -> bytes:
    """Takes two images at a time and gives two embeddings of length 192."""
    return converted(embedded, [2, 16, 16, 3])

"""What every backbone keeps: whoever adds a line to the registry adds nothing here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.common.preprocessing import Crop, Preprocessing
from components.export.convert import convert
from components.litert.embedder import LiteRTEmbedder
from components.litert.specification import record_of
from components.model.backbones import BACKBONES
from components.model.network import Architecture, Embedder, build, scale

_TAKE_LONG = set(BACKBONES) - {"small_resnet"}
NAMES = [pytest.param(name, marks=pytest.mark.long if name in _TAKE_LONG else ()) for name in BACKBONES]


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_embeds_to_unit_length_is_the_same_as_a_file_and_learns_with_all_it_has(name, tmp_path):
    keras.utils.set_random_seed(0)
    _, smallest = BACKBONES[name]
    network = build(Architecture(name, smallest, 16))
    images = np.random.default_rng(0).integers(0, 256, (6, smallest, smallest, 3), np.uint8)
    found = Embedder(network)(images)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(found - found[0])[1:].max(axis=1).min() > 1e-4, "two pictures have one embedding"

    file = tmp_path / "network.tflite"
    record = record_of(Preprocessing(smallest, Crop(0.25, "none")).to_json(), (), {})
    file.write_bytes(convert(network, "float32", record, images))
    np.testing.assert_allclose(LiteRTEmbedder(file)(images), found, atol=1e-4)

    # Last: one batch brings the averages of a deep network to where rounding alone, of one image or several at a time,
    # makes a difference of 1.5e-4.
    with tf.GradientTape() as tape:
        embeddings = network(scale(images), training=True)
        loss = tf.reduce_sum(embeddings * np.random.default_rng(1).normal(size=(6, 16)))
    gradients = zip(network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True)
    assert not [variable.path for variable, gradient in gradients if not np.abs(gradient).max() > 0]

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.errors import UsageError
from components.model import backbones
from components.model.network import Architecture, Embedder, build, scale

SMALL = Architecture("small_resnet", 32, 16)


def noise(count, size=32):
    return np.random.default_rng(0).integers(256, size=(count, size, size, 3)).astype(np.uint8)


def test_each_embedding_has_unit_length_whatever_else_is_in_the_batch():
    keras.utils.set_random_seed(0)
    network = build(SMALL)
    images = noise(9)
    embeddings = Embedder(network, batch_size=4)(images)
    assert embeddings.shape == (9, 16)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    embed = Embedder(network)
    alone = np.concatenate([embed(images[i : i + 1]) for i in range(9)])
    # Batches of another size are rounded otherwise; statistics of the batch would differ by 0.1 and more.
    np.testing.assert_allclose(embeddings, alone, atol=1e-4)


def test_standardised_images_have_mean_0_and_deviation_1_but_for_those_of_one_colour():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    images[1], images[2] = images[1] // 32 + 90, 7  # a dull one, and one of one colour
    mean, deviation = (each[:, None, None, None] for each in (images.mean((1, 2, 3)), images.std((1, 2, 3))))
    wanted = (images - mean) / np.maximum(deviation, 1 / np.sqrt(images[0].size))  # `prewhiten` of facenet
    np.testing.assert_allclose(scale(images, "standardised"), wanted, atol=1e-5)


def test_the_embedder_follows_the_network_as_it_trains():
    network = build(SMALL)
    embed = Embedder(network)
    before = embed(noise(4))
    network.get_layer("embedding").kernel.assign(np.random.default_rng(1).normal(size=(256, 16)))
    assert np.abs(embed(noise(4)) - before).max() > 0.01


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_mixed_precision_weights_and_embeddings_stay_in_float32(precision):
    keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        network = build(SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.get_layer("embedding").compute_dtype == precision
    assert {weight.dtype for weight in network.weights} == {"float32"}
    embeddings = np.asarray(network(scale(noise(3))))
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


@pytest.mark.long
def test_the_logits_of_inception_resnet_v2_are_replaced_by_the_embedding():
    network = build(Architecture("inception_resnet_v2", 75, 128))
    assert network.output_shape == (None, 128)
    backbone = keras.Model(network.inputs, network.get_layer("embedding").input)
    assert (backbone.count_params(), backbone.output_shape) == (54_336_736, (None, 1536))
    convolutions = [layer for layer in network.layers if type(layer).__name__ == "Conv2D"]
    assert len(convolutions) == 244  # TF-Slim's 248 without the four of its two heads
    assert not [layer.name for layer in network.layers if "prediction" in layer.name.lower()]
    normalisations = [layer for layer in network.layers if type(layer).__name__ == "BatchNormalization"]
    assert not any(layer.scale for layer in normalisations)
    assert {layer.epsilon for layer in normalisations} == {0.001}


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Architecture("resnet", 64, 128), f"Unknown backbone.*\n.*resnet\nKnown: {', '.join(backbones.BACKBONES)}"),
        (Architecture("inception_resnet_v2", 64, 128), "image_size=64\nGive 75 to 1024"),
        (Architecture("small_resnet", 64, 1), "embedding_size=1"),
        (Architecture("small_resnet", 64, 10, 0), "members=0, embedding_size=10\nGive 1 to 4"),
        (Architecture("small_resnet", 64, 10, 5), "members=5, embedding_size=10\nGive 1 to 4"),
        (Architecture("small_resnet", 64, 10, 3), "members=3, embedding_size=10"),
        (Architecture("small_resnet", 32, 10, 2), "image_size=30"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(architecture, message):
    with pytest.raises(UsageError, match=message):
        build(architecture)


def test_members_have_equal_parts_of_the_embedding_and_see_ever_less_of_the_image():
    network = build(Architecture("small_resnet", 48, 12, members=3))
    members = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    assert [member.input_shape[1:3] for member in members] == [(48, 48), (44, 44), (40, 40)]
    images = noise(5, 48)
    seen = [images[:, less : 48 - less, less : 48 - less] for less in (0, 2, 4)]
    parts = [np.asarray(member(scale(part))) for member, part in zip(members, seen, strict=True)]
    assert {part.shape for part in parts} == {(5, 4)}
    joined = np.concatenate(parts, axis=1)
    joined /= np.linalg.norm(joined, axis=1, keepdims=True)
    np.testing.assert_allclose(Embedder(network)(images), joined, atol=1e-5)


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_every_backbone_names_a_module_and_its_smallest_input(name):
    backbones.check(name, 160)
    with pytest.raises(UsageError, match="does not fit"):
        backbones.check(name, 8)


@pytest.mark.parametrize(
    ("name", "size", "parameters", "features"),
    [
        ("dlib_resnet", 150, 5_574_720, 256),
        ("dlib_slim", 68, 2_789_360, 256),
        ("dlib_tiny", 68, 1_148_416, 256),
        pytest.param("inception_resnet_v1", 75, 22_578_384, 1792, marks=pytest.mark.long),
        ("mobilefacenet", 112, 956_672, 512),
        ("mobilefacenet", 32, 933_632, 512),
        ("small_resnet", 64, 1_230_560, 256),
    ],
)
def test_every_other_backbone_has_its_parameters_and_features(name, size, parameters, features):
    backbone = backbones.build(name, size)
    assert (backbone.count_params(), backbone.output_shape) == (parameters, (None, features))


@pytest.mark.long
def test_what_the_user_set_for_other_work_with_keras_changes_nothing(tmp_path):
    settings = {"floatx": "float16", "epsilon": 0.5, "backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    script = """
from components.model.network import Architecture, build
import keras
print({weight.dtype for weight in build(Architecture("small_resnet", 32, 8)).weights})
print(keras.config.backend(), keras.config.epsilon(), keras.config.image_data_format())
"""
    given = os.environ | {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    root = Path(__file__).resolve().parents[3]
    said = subprocess.check_output([sys.executable, "-c", script], env=given, cwd=root, text=True)
    assert said.splitlines() == ["{'float32'}", "tensorflow 1e-07 channels_last"]

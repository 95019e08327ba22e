from __future__ import annotations

import json

import numpy as np
import pytest

from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing
from components.model import checkpoint
from components.model.network import Architecture, Embedder, build
from components.model.pretrained import start_from

ARCHITECTURE = Architecture("small_resnet", 32, 16)
PREPROCESSING = Preprocessing(32, Crop(0.25, "none"))
IMAGES = np.random.default_rng(0).integers(256, size=(4, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    return build(ARCHITECTURE)


@pytest.fixture
def saved(network, tmp_path):
    checkpoint.save(tmp_path / "checkpoint", network, ARCHITECTURE, PREPROCESSING, {"rounds": []})
    return tmp_path / "checkpoint"


def test_a_loaded_network_gives_the_same_embeddings_and_knows_its_preprocessing(network, saved):
    loaded = checkpoint.load(saved)
    np.testing.assert_array_equal(Embedder(loaded.network)(IMAGES), Embedder(network)(IMAGES))
    assert (loaded.architecture, loaded.preprocessing) == (ARCHITECTURE, PREPROCESSING)
    assert loaded.sha256 == checkpoint.fingerprint(saved)


def test_the_same_network_has_the_same_fingerprint_and_another_one_another(network, saved, tmp_path):
    checkpoint.save(tmp_path / "again", network, ARCHITECTURE, PREPROCESSING, {"rounds": []})
    assert checkpoint.fingerprint(tmp_path / "again") == checkpoint.fingerprint(saved)
    checkpoint.save(tmp_path / "other", build(ARCHITECTURE), ARCHITECTURE, PREPROCESSING, {"rounds": []})
    assert checkpoint.fingerprint(tmp_path / "other") != checkpoint.fingerprint(saved)


def edited(folder, **changes):
    file = folder / "facenet.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.long
def test_a_network_of_members_is_kept_whole_and_one_of_before_there_were_members_is_read(network, saved, tmp_path):
    architecture = Architecture("small_resnet", 36, 16, members=2)
    several = build(architecture)
    images = np.random.default_rng(0).integers(256, size=(4, 36, 36, 3)).astype(np.uint8)
    checkpoint.save(tmp_path / "several", several, architecture, Preprocessing(36, Crop(0.25, "none")), {"rounds": []})
    loaded = checkpoint.load(tmp_path / "several")
    np.testing.assert_array_equal(Embedder(loaded.network)(images), Embedder(several)(images))
    assert loaded.architecture == architecture

    description = json.loads((saved / "facenet.json").read_text())
    del description["members"]
    (saved / "facenet.json").write_text(json.dumps(description))
    assert checkpoint.load(saved).architecture == ARCHITECTURE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; format 1 is read"),
        ({"embedding_size": 32}, "do not fit the network"),
        ({"embedding_size": "many"}, "not complete"),
        ({"backbone": "unknown"}, "Unknown backbone"),
        ({"preprocessing": {"image_size": 32}}, "not complete"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(saved, changes, message):
    edited(saved, **changes)
    with pytest.raises(UsageError, match=message):
        checkpoint.load(saved)


def test_what_is_no_checkpoint_is_refused(saved, tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no checkpoint here"):
        checkpoint.load(tmp_path)
    (saved / "facenet.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        checkpoint.load(saved)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data.replace(b"SNOD", b"SNOW")])
def test_damaged_weights_are_refused(saved, damage):
    weights = saved / "model.weights.h5"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(UsageError, match="do not fit the network"):
        checkpoint.load(saved)


def test_training_can_start_from_a_checkpoint(network, saved):
    fresh = build(ARCHITECTURE)
    lines = start_from(fresh, ARCHITECTURE, saved).lines(saved)
    assert lines == [f"{len(fresh.weights)} of {len(fresh.weights)} variables restored from {saved}"]
    np.testing.assert_array_equal(Embedder(fresh)(IMAGES), Embedder(network)(IMAGES))


def test_another_embedding_size_keeps_its_own_embedding_layer(network, saved):
    wider = Architecture("small_resnet", 32, 24)
    fresh = build(wider)
    head = fresh.get_layer("embedding").get_weights()[0].copy()
    lines = start_from(fresh, wider, saved).lines(saved)
    assert "left out: embedding, embedding_normalisation (embedding size 16, to train: 24)" in lines[1]
    np.testing.assert_array_equal(fresh.get_layer("embedding").get_weights()[0], head)
    for one, other in zip(fresh.layers[1:-3], network.layers[1:-3], strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_each_member_starts_from_its_own(tmp_path):
    three = Architecture("small_resnet", 48, 12, members=3)
    source = build(three)
    checkpoint.save(tmp_path / "three", source, three, Preprocessing(48, Crop(0.25, "none")), {})
    target = build(three)
    assert start_from(target, three, tmp_path / "three").count == len(target.weights)
    for one, other in zip(target.weights, source.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    wider = Architecture("small_resnet", 48, 24, members=3)
    target = build(wider)
    restored = start_from(target, wider, tmp_path / "three")
    assert restored.count == len(target.weights) - 3 * 4
    same = [np.array_equal(one, other) for one, other in zip(target.weights, source.weights, strict=True)]
    assert same.count(True) >= restored.count
    for members in (1, 2):
        other = Architecture("small_resnet", 48, 12, members)
        with pytest.raises(
            UsageError, match=rf"number of members(?s:.)*three: 3, to train: {members}\nGive --members 3"
        ):
            start_from(build(other), other, tmp_path / "three")


@pytest.mark.parametrize(
    ("layer", "number", "value", "message"),
    [
        pytest.param("embedding", 0, np.nan, r"embedding/kernel: 1 of 4096 values not finite", marks=pytest.mark.long),
        ("embedding_normalisation", 2, -0.5, r"embedding_normalisation/moving_variance: a negative variance"),
    ],
)
def test_values_that_are_no_network_are_refused_by_name(layer, number, value, message, tmp_path):
    spoilt = build(ARCHITECTURE)
    weights = spoilt.get_layer(layer).get_weights()
    weights[number].flat[3] = value
    spoilt.get_layer(layer).set_weights(weights)
    checkpoint.save(tmp_path / "spoilt", spoilt, ARCHITECTURE, PREPROCESSING, {})
    spoilt.save_weights(tmp_path / "spoilt.weights.h5")
    for path in (tmp_path / "spoilt", tmp_path / "spoilt.weights.h5"):
        fresh = build(ARCHITECTURE)
        before = fresh.get_weights()
        with pytest.raises(UsageError, match=message):
            start_from(fresh, ARCHITECTURE, path)
        for one, other in zip(fresh.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(UsageError, match=message):
        checkpoint.load(tmp_path / "spoilt")


def test_a_start_that_does_not_fit_is_refused(saved):
    larger = Architecture("small_resnet", 96, 16)
    with pytest.raises(UsageError, match="--image_size 32"):
        start_from(build(larger), larger, saved)
    with pytest.raises(UsageError, match="--backbone small_resnet"):
        start_from(build(ARCHITECTURE), Architecture("inception_resnet_v2", 75, 16), saved)


def test_weights_that_lack_a_layer_are_refused(saved):
    import h5py

    with h5py.File(saved / "model.weights.h5", "a") as file:
        del file["layers"]["dense"]
    with pytest.raises(UsageError, match="do not fit the network"):
        checkpoint.load(saved)

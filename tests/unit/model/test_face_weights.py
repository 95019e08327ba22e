from __future__ import annotations

import re
from functools import cache

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from components.common.errors import UsageError
from components.model.network import Architecture, build, scale
from components.model.pretrained import start_from
from components.model.starts import Kind, check_members, find_start
from tests.unit.model import face_graphs, slim_graph

SIZE = 80
V1, OF_2017 = (Architecture("inception_resnet_v1", SIZE, size) for size in (512, 128))
# A bright and dull one, and two of full contrast: their means and deviations differ.
FACES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
FACES[0] = 180 + FACES[0] // 8


def standardised(images):
    """`prewhiten` of facenet."""
    images = images.astype(np.float64)
    mean, deviation = images.mean(axis=(1, 2, 3), keepdims=True), images.std(axis=(1, 2, 3), keepdims=True)
    return ((images - mean) / np.maximum(deviation, 1 / np.sqrt(images[0].size))).astype(np.float32)


def fixed(divisor):
    return lambda images: ((images.astype(np.float64) - 127.5) / divisor).astype(np.float32)


def embedded(network, restored):
    return np.asarray(network(scale(FACES, restored.scaling), training=False))


def assert_same(found, wanted, other):
    """That embeddings agree, and would not had the faces been scaled in another way."""
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert np.abs(other - wanted).max() > 3e-4 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def torch_graph():
    graph = face_graphs.Torch()
    graph(fixed(128)(FACES[:1]))
    return graph


@pytest.fixture(scope="module")
def keras_graph():
    return face_graphs.keras_network(512)


@pytest.fixture(scope="module")
def slim():
    return slim_graph.InceptionResnetV1()


@pytest.fixture(scope="module")
def networks():
    """The network of an architecture, made once."""
    return cache(build)


@pytest.fixture(scope="module")
def network(networks):
    return networks(V1)


@pytest.mark.parametrize(
    ("name", "architecture", "scale", "scaling", "told"),
    [
        pytest.param(
            "facenet_keras.h5",
            OF_2017,
            standardised,
            "standardised",
            "each face brought to mean 0 and deviation 1",
            marks=pytest.mark.long,
        ),
        ("facenet512_weights.h5", V1, fixed(127.5), "[-1, 1]", "pixels in [-1, 1]"),
    ],
)
def test_keras_weights_as_they_are_published_give_their_embeddings(
    name, architecture, scale, scaling, told, networks, keras_graph, tmp_path
):
    path, size = tmp_path / name, architecture.embedding_size
    face_graphs.save_keras2(keras_graph, path, size, whole=name == "facenet_keras.h5")
    restored = start_from(networks(architecture), architecture, path)
    assert restored.lines(path) == [
        f"490 of 490 variables restored from {path}, read as Keras weights of FaceNet, for {told}"
    ]
    assert restored.scaling == scaling
    wanted, other = (
        face_graphs.unit(np.asarray(keras_graph(each(FACES), training=False))[:, :size]) for each in (scale, fixed(255))
    )
    assert_same(embedded(networks(architecture), restored), wanted, other)


def test_weights_of_facenet_pytorch_give_their_embeddings(torch_graph, network, tmp_path):
    path = tmp_path / "20180402-114759-vggface2.safetensors"
    head = {"logits.weight": np.zeros((8631, 512), np.float32), "logits.bias": np.zeros(8631, np.float32)}
    save_file(torch_graph.state | head, path)
    restored = start_from(network, V1, path)
    assert restored.lines(path) == [
        f"490 of 490 variables restored from {path}, read as weights of facenet-pytorch, for (pixel - 127.5) / 128",
        "left out: 112 variables, counters of the training",
        "left out: 112 variables, scales (gamma) of 1",
        "left out: 2 variables, the head logits",
    ]
    assert restored.scaling == "[-1, 1]"
    assert_same(embedded(network, restored), torch_graph(fixed(128)(FACES)), torch_graph(fixed(127.5)(FACES)))


@pytest.mark.parametrize(
    ("architecture", "scale", "scaling"),
    [
        pytest.param(OF_2017, standardised, "standardised", marks=pytest.mark.long),
        (V1, fixed(128), "[-1, 1]"),
    ],
)
def test_tensorflow_checkpoints_give_their_embeddings_too(architecture, scale, scaling, networks, slim, tmp_path):
    size = architecture.embedding_size

    def theirs(images):
        return face_graphs.unit(slim.bottleneck(slim.features(images), size).numpy())

    wanted, other = theirs(scale(FACES)), theirs(fixed(127.5)(FACES))
    slim_graph.save(slim.variables, tmp_path / "model-2018.ckpt-275", "V2")
    restored = start_from(networks(architecture), architecture, tmp_path)
    assert (restored.count, restored.scaling) == (490, scaling)
    assert_same(embedded(networks(architecture), restored), wanted, other)
    for name in [name for name in slim.variables if "Bottleneck" in name]:  # the next one has another length
        del slim.variables[name]


def test_an_embedding_of_another_length_is_left_out_with_what_takes_it_over(torch_graph, network, tmp_path):
    last = ("last_linear.", "last_bn.")
    shorter = {
        name: np.ascontiguousarray(value[:128]) if name.startswith(last) and value.ndim else value
        for name, value in torch_graph.state.items()
    }
    save_file(shorter, tmp_path / "a.safetensors")
    lines = start_from(network, V1, tmp_path / "a.safetensors").lines(tmp_path)
    assert lines[0].startswith("486 of 490 variables")
    assert lines[1] == "left out: the embedding (128 numbers, to train: 512; --embedding_size 128 takes it over)"


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("repeat_2.3.branch1.1.conv.weight", None, "lacks variables(?s:.)*without 1 of 490, such as {}\n"),
        ("block8.conv2d.bias", lambda value: value[:-1], r"another shape(?s:.)*, {}: \(1791,\), to train: \(1792,\)"),
        ("mixed_7a.branch2.1.bn.running_var", np.negative, "values that no network(?s:.)*, {}: a negative variance"),
        ("last_linear.weight", lambda value: value * np.nan, "values that no network(?s:.)*, {}: 917504 of 917504"),
        ("conv2d_1a.bn.weight", lambda value: value * 2, r"scale \(gamma\)(?s:.)*, {}: not 1 throughout"),
        ("conv2d_4b.bn.bias", lambda value: value.astype(np.int32), "{} is stored as I32; F64, F32, F16 are read"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name_and_nothing_is_changed(
    name, change, wrong, network, torch_graph, tmp_path
):
    state = {each: value for each, value in torch_graph.state.items() if each != name or change}
    if change:
        state[name] = np.ascontiguousarray(change(state[name]))
    save_file(state, tmp_path / "a.safetensors")
    before = network.get_weights()[0].copy()
    with pytest.raises(UsageError, match=wrong.format(re.escape(name))):
        start_from(network, V1, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(network.get_weights()[0], before)


def test_weights_of_half_the_precision_are_read(network, torch_graph, tmp_path):
    save_file({name: value.astype(np.float16) for name, value in torch_graph.state.items()}, tmp_path / "a.safetensors")
    assert start_from(network, V1, tmp_path / "a.safetensors").count == 490


def first_layer(path, **more):
    """A file of the Keras layout with few variables."""
    with h5py.File(path, "w") as file:
        file["Conv2d_1a_3x3/Conv2d_1a_3x3/kernel:0"] = np.zeros((3, 3, 3, 32), np.float32)
        file["Conv2d_1a_3x3_BatchNorm/Conv2d_1a_3x3_BatchNorm/beta:0"] = np.zeros(32, np.float32)
        for name, value in more.items():
            file[name] = value
    return path


def test_keras_weights_that_lack_something_or_lie_elsewhere_are_refused(network, tmp_path):
    path = first_layer(tmp_path / "a.h5")
    with pytest.raises(UsageError, match="without 484 of 486, such as Conv2d_1a_3x3_BatchNorm/moving_mean, "):
        start_from(network, V1, path)
    elsewhere = h5py.ExternalLink(str(first_layer(tmp_path / "b.h5")), "/Conv2d_1a_3x3")
    path = first_layer(tmp_path / "c.h5", Conv2d_2a_3x3=elsewhere)
    with pytest.raises(UsageError, match="without 484 of 486"):
        start_from(network, V1, path)


def test_a_variable_that_the_file_has_no_room_for_is_refused_before_it_is_read(network, keras_graph, tmp_path):
    face_graphs.save_keras2(keras_graph, tmp_path / "a.h5", 512, whole=False)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        before = file["Conv2d_4b_3x3/Conv2d_4b_3x3"]
        del before["kernel:0"]
        (tmp_path / "other").write_bytes(bytes(4 * 3 * 3 * 192 * 256))
        before.create_dataset(
            "kernel:0", (3, 3, 192, 256), "f4", external=[(tmp_path / "other", 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(UsageError, match="Conv2d_4b_3x3/kernel is not in it"):
        start_from(network, V1, tmp_path / "a.h5")


@pytest.mark.long
def test_files_that_are_damaged_or_no_weights_are_refused(network, tmp_path):
    save_file({"conv2d_1a.conv.weight": np.zeros((32, 3, 3, 3), np.float32)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    for content in (b"", b"text", whole[:40], whole[:-1], b"\xff" * 8 + whole[8:]):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(UsageError, match="Weights cannot be read from this file"):
            start_from(network, V1, tmp_path / "a.safetensors")
    whole = first_layer(tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[:-40])
    with pytest.raises(UsageError, match="not of the backbone"):
        start_from(network, V1, tmp_path / "a.h5")


def test_another_backbone_and_several_members_are_refused(torch_graph, tmp_path):
    path = first_layer(tmp_path / "facenet_weights.h5")
    assert find_start(path).kind is Kind.FACES
    small = Architecture("small_resnet", 32, 8)
    with pytest.raises(UsageError, match="Give --backbone inception_resnet_v1"):
        start_from(build(small), small, path)
    with pytest.raises(UsageError, match="from the same weights would not differ"):
        check_members(find_start(path), 2)


@pytest.mark.parametrize("name", ["20180402-114759-vggface2.pt", "a.pth", "a.pth.tar", "pytorch_model.bin"])
def test_pickles_are_refused_with_how_to_convert_them(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"pickles(?s:.)*weights_only=True\), '.*\.safetensors'\)"):
        find_start(tmp_path / name)

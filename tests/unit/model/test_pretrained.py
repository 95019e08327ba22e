from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing
from components.model import checkpoint, starts, tf_slim
from components.model.network import Architecture, build
from components.model.pretrained import start_from
from components.model.starts import Kind, Start, find_start, unpack
from tests.unit.model import slim_graph

V2 = Architecture("inception_resnet_v2", 75, 8)
SMALL = Architecture("small_resnet", 32, 8)


def pictures(size, count=2):
    return np.random.default_rng(size).uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def features_of(network):
    """The backbone of a network: all before the embedding layer."""
    return keras.Model(network.inputs, network.get_layer("embedding").input)


def assert_same_features(ours, original, size):
    found = np.asarray(features_of(ours)([pictures(size)], training=False))
    wanted = original.features(pictures(size)).numpy()
    assert (wanted.std(axis=0) > 0).mean() > 0.5  # in a dead feature an error would not show
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def original():
    graph = slim_graph.InceptionResnetV2()
    graph.features(pictures(75))
    return graph


@pytest.fixture(scope="module")
def published(original):
    """Every variable of the published checkpoint, and some that a checkpoint of a training has besides."""
    restored = len(original.variables)
    original.add_heads()
    assert (restored, len(original.variables)) == (896, 908)
    more = {"global_step": np.array(7, np.int64), "beta1_power": np.array(0.5, np.float32)}
    for name in ("Conv2d_1a_3x3/weights", "Block8/Conv2d_1x1/biases", "Conv2d_7b_1x1/BatchNorm/beta"):
        for slot in ("RMSProp", "RMSProp_1", "Momentum", "ExponentialMovingAverage"):
            full = f"InceptionResnetV2/{name}"
            more[f"{full}/{slot}"] = np.full_like(original.variables[full], 9)
    return original.variables | more


@pytest.fixture(scope="module")
def v1_file(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("slim") / "inception_resnet_v2_2016_08_30.ckpt"
    slim_graph.save(published, path, "V1")
    return path


@pytest.fixture(scope="module")
def restored(v1_file):
    """Our network, and the report of restoring the published checkpoint into it."""
    network = build(V2)
    return network, start_from(network, V2, v1_file).lines(v1_file)


def test_the_features_are_those_of_the_original_graph(restored, original):
    assert_same_features(restored[0], original, 75)


@pytest.mark.long
@pytest.mark.parametrize("size", [160, 299])
def test_the_features_of_larger_images_are_those_of_the_original_graph(size, v1_file, original):
    larger = Architecture("inception_resnet_v2", size, 8)
    network = build(larger)
    start_from(network, larger, v1_file)
    assert_same_features(network, original, size)


def test_the_report_counts_what_was_restored_and_says_why_the_rest_was_not(restored, v1_file):
    assert restored[1] == [
        f"896 of 900 variables restored from {v1_file}",
        "left out: 12 variables, slots of an optimiser or averages of weights",
        "left out: 2 variables, step counters and other state of the training",
        "left out: 10 variables, the head InceptionResnetV2/AuxLogits",
        "left out: 2 variables, the head InceptionResnetV2/Logits",
    ]


@pytest.mark.long
def test_the_archive_it_comes_in_gives_the_same(restored, v1_file, tmp_path, monkeypatch):
    network, _ = restored
    wanted = [np.array(weight) for weight in network.weights[:896]]
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    archive = tmp_path / "inception_resnet_v2_2016_08_30.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=0) as members:
        members.add(v1_file, v1_file.name)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    lines = start_from(network, V2, archive).lines(archive)
    assert lines[0] == f"896 of 900 variables restored from {archive}"
    for found, weight in zip(network.weights[:896], wanted, strict=True):
        np.testing.assert_array_equal(found, weight)
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.name, "tmp"]
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("top", [False, True])
def test_weights_of_the_keras_application_give_its_features(top, tmp_path):
    size = 299 if top else 75
    theirs = keras.applications.InceptionResNetV2(include_top=top, weights=None, input_shape=(size, size, 3))
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    path = tmp_path / f"theirs{'' if top else '.weights'}.h5"
    (theirs.save if top else theirs.save_weights)(path)
    network = build(V2)
    lines = start_from(network, V2, path).lines(path)
    told = "keras.applications.InceptionResNetV2 with its top" if top else "the backbone alone"
    left = ["left out: predictions, the head"] if top else []
    assert lines == [f"896 of 900 variables restored from {path}, read as {told}", *left]
    last = keras.Model(theirs.inputs, theirs.get_layer("conv_7b_ac").output)
    wanted = np.asarray(last([pictures(size)], training=False))
    ours = network if size == 75 else build(Architecture("inception_resnet_v2", size, 8))
    ours.set_weights(network.get_weights())
    found = keras.Model(ours.inputs, ours.get_layer("Conv2d_7b_1x1.ReLU").output)([pictures(size)], training=False)
    assert np.abs(np.asarray(found) - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.long
def test_a_checkpoint_of_the_facenet_community_gives_its_features(tmp_path):
    graph = slim_graph.InceptionResnetV1()
    graph.features(pictures(75))
    graph.add_heads()
    slim_graph.save(graph.variables, tmp_path / "model-2018.ckpt-275", "V2")
    architecture = Architecture("inception_resnet_v1", 160, 8)
    network = build(architecture)
    lines = start_from(network, architecture, tmp_path).lines(tmp_path)
    assert lines[1:] == [
        "left out: the embedding (128 numbers, to train: 8; --embedding_size 128 takes it over)",
        "left out: 4 variables, the head InceptionResnetV1/Bottleneck",
        "left out: 2 variables, the head InceptionResnetV1/Logits",
    ]
    assert_same_features(network, graph, 160)


@pytest.fixture(scope="module")
def some_of_v2(published):
    """The variables of the first layers: enough for what goes wrong before anything is restored."""
    return {name: array for name, array in published.items() if "Conv2d_1a_3x3" in name and "Mixed" not in name}


@pytest.fixture(scope="module")
def network(restored):
    return restored[0]


def test_a_variable_without_a_source_is_an_error_and_nothing_is_changed(network, some_of_v2, tmp_path):
    slim_graph.save(some_of_v2, tmp_path / "model.ckpt", "V2")
    before = network.get_weights()[0].copy()
    with pytest.raises(
        UsageError, match=r"lacks variables[^\0]*without 892 of 896, such as InceptionResnetV2/Conv2d_2a"
    ):
        start_from(network, V2, tmp_path / "model.ckpt")
    np.testing.assert_array_equal(network.get_weights()[0], before)


def test_a_variable_of_another_shape_is_an_error(network, published, tmp_path):
    wrong = {name: np.zeros(1, np.float32) for name in published} | {
        name: array for name, array in published.items() if name.endswith("beta")
    }
    slim_graph.save(wrong, tmp_path / "model.ckpt", "V2")
    with pytest.raises(
        UsageError, match=r"another shape.*\n.*Conv2d_1a_3x3/weights: \(1,\), to train: \(3, 3, 3, 32\)"
    ):
        start_from(network, V2, tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        pytest.param("Conv2d_1a_3x3/weights", np.nan, "864 of 864 values not finite", marks=pytest.mark.long),
        ("Conv2d_2a_3x3/BatchNorm/moving_variance", -1.0, "a negative variance"),
        pytest.param("Conv2d_1a_3x3/BatchNorm/beta", "text", "not numbers", marks=pytest.mark.long),
    ],
)
def test_values_that_are_no_network_are_refused_and_nothing_is_changed(
    name, value, wrong, network, published, tmp_path
):
    full = f"InceptionResnetV2/{name}"
    slim_graph.save(published | {full: np.full(published[full].shape, value)}, tmp_path / "model.ckpt", "V2")
    before = network.get_weights()[0].copy()
    with pytest.raises(UsageError, match=f"values that no network(?s:.)*model.ckpt, {full}: {wrong}"):
        start_from(network, V2, tmp_path / "model.ckpt")
    np.testing.assert_array_equal(network.get_weights()[0], before)


def test_a_checkpoint_of_another_network_is_refused(network, tmp_path):
    slim_graph.save({"vgg_16/conv1/weights": np.ones(3, np.float32)}, tmp_path / "vgg_16.ckpt", "V1")
    with pytest.raises(UsageError, match=r"not of the backbone inception_resnet_v2.*\n.*under vgg_16"):
        start_from(network, V2, tmp_path / "vgg_16.ckpt")
    with pytest.raises(UsageError, match=r"small_resnet\nGive --backbone inception_resnet_v1 or inception_resnet_v2"):
        start_from(build(SMALL), SMALL, tmp_path / "vgg_16.ckpt")


def test_a_damaged_checkpoint_is_refused(network, some_of_v2, tmp_path):
    path = tmp_path / "model.ckpt"
    slim_graph.save(some_of_v2, path, "V1")
    content = bytearray(path.read_bytes())
    content[:100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="TensorFlow cannot read this checkpoint"):
        start_from(network, V2, path)


@pytest.mark.parametrize(
    "name",
    [
        "whole.weights.h5",
        "alone.keras",
        *(pytest.param(n, marks=pytest.mark.long) for n in ("whole.keras", "alone.weights.h5")),
    ],
)
def test_keras_weights_of_the_network_or_its_backbone_are_restored(name, tmp_path):
    source, target = build(SMALL), build(SMALL)
    backbone = keras.Model(source.inputs, source.get_layer("embedding").input)
    model = source if name.startswith("whole") else backbone
    (model.save_weights if name.endswith("h5") else model.save)(tmp_path / name)
    head = target.get_layer("embedding").get_weights()[0].copy()
    lines = start_from(target, SMALL, tmp_path / name).lines(tmp_path / name)
    for found, wanted in zip(features_of(target).weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(found, wanted)
    kept = np.array_equal(target.get_layer("embedding").get_weights()[0], head)
    assert kept == name.startswith("alone")
    assert lines[0].endswith("read as the backbone alone" if kept else "read as the whole network")


def test_keras_weights_of_another_network_are_refused_with_what_was_tried(tmp_path):
    build(Architecture("small_resnet", 64, 8)).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(
        UsageError, match=r"not of the backbone small_resnet[^\0]*as the whole network[^\0]*as the backbone"
    ):
        start_from(build(SMALL), SMALL, tmp_path / "other.weights.h5")
    (tmp_path / "no.h5").write_text("text")
    with pytest.raises(UsageError, match="not of the backbone small_resnet"):
        start_from(build(SMALL), SMALL, tmp_path / "no.h5")


def test_what_a_path_is_can_be_told_from_its_files(some_of_v2, tmp_path):
    prefix, single = tmp_path / "two" / "model.ckpt-3", tmp_path / "one.ckpt"
    prefix.parent.mkdir()
    slim_graph.save(some_of_v2, prefix, "V2")
    slim_graph.save(some_of_v2, single, "V1")
    ours = tmp_path / "ours"
    checkpoint.save(ours, build(SMALL), SMALL, Preprocessing(32, Crop(0.25, "none")), {})
    given = [prefix, prefix.parent, prefix.with_name("model.ckpt-3.index")]
    given.append(prefix.with_name("model.ckpt-3.data-00000-of-00001"))
    assert [find_start(path) for path in given] == [Start(Kind.TENSORFLOW, prefix)] * 4
    assert find_start(single) == Start(Kind.TENSORFLOW, single)
    assert find_start(ours) == find_start(ours / "model.weights.h5") == Start(Kind.OURS, ours)


def test_of_several_checkpoints_in_a_folder_the_state_file_names_one(some_of_v2, tmp_path):
    slim_graph.save(some_of_v2, tmp_path / "model.ckpt-1", "V2")
    slim_graph.save(some_of_v2, tmp_path / "model.ckpt-2", "V2")
    assert find_start(tmp_path).path.name == "model.ckpt-2"
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model.ckpt-1"\n')
    assert find_start(tmp_path).path == tmp_path / "model.ckpt-1"
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(UsageError, match=r"2 TensorFlow checkpoints: model\.ckpt-1, model\.ckpt-2"):
        find_start(tmp_path)


def test_what_a_network_started_from_is_named_by_its_bytes(some_of_v2, tmp_path):
    ours, prefix, single = tmp_path / "ours", tmp_path / "two" / "model.ckpt-3", tmp_path / "one.ckpt"
    checkpoint.save(ours, build(SMALL), SMALL, Preprocessing(32, Crop(0.25, "none")), {})
    prefix.parent.mkdir()
    slim_graph.save(some_of_v2, prefix, "V2")
    slim_graph.save(some_of_v2, single, "V1")
    record = start_from(build(SMALL), SMALL, ours).record(ours)
    count = len(build(SMALL).weights)
    told = {"name": "ours", "sha256": checkpoint.fingerprint(ours)}
    assert record == told | {"restored": f"{count} of {count} variables", "left_out": [], "scaling": "[-1, 1]"}
    assert find_start(single).sha256() == hashlib.sha256(single.read_bytes()).hexdigest()
    before = find_start(prefix.parent).sha256()
    (prefix.parent / "notes").write_text("not of it")
    assert find_start(prefix.with_name("model.ckpt-3.index")).sha256() == before != find_start(single).sha256()
    data = prefix.with_name("model.ckpt-3.data-00000-of-00001")
    data.write_bytes(data.read_bytes() + b"more")
    assert find_start(prefix).sha256() != before


def test_what_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("to do")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("absent", "no weights here"),
        ("notes.txt", "cannot be read from this file"),
        ("empty", "0 TensorFlow checkpoints: none"),
    ):
        with pytest.raises(UsageError, match=message):
            find_start(tmp_path / name)


def member(name, kind=tarfile.REGTYPE, size=4, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (member("../outside.ckpt"), "leads out of the folder"),
        (member("/outside.ckpt"), "leads out of the folder"),
        (member("link.ckpt", tarfile.SYMTYPE, 0, "/etc/passwd"), "neither a file nor a folder"),
        (member("hard.ckpt", tarfile.LNKTYPE, 0, "../other"), "neither a file nor a folder"),
        (member("pipe.ckpt", tarfile.FIFOTYPE, 0), "neither a file nor a folder"),
        (member("text.ckpt"), "0 TensorFlow checkpoints"),
    ],
)
def test_an_archive_that_is_not_one_checkpoint_is_refused(made, message, tmp_path, monkeypatch):
    archive = tmp_path / "in" / "a.tar.gz"
    archive.parent.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with tarfile.open(archive, "w:gz") as members:
        members.addfile(made, io.BytesIO(b"text"))
    with pytest.raises(UsageError, match=message), unpack(archive):
        pass
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "a.tar.gz", "tmp"}
    assert not Path("/outside.ckpt").exists()


def test_an_archive_larger_than_any_checkpoint_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(starts, "_MOST_BYTES", 10)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as members:
        for number in range(3):
            members.addfile(member(f"{number}.ckpt"), io.BytesIO(b"text"))
    with pytest.raises(UsageError, match=r"'2\.ckpt', more than"), unpack(tmp_path / "a.tar.gz"):
        pass


def test_a_broken_archive_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b rest")
    with pytest.raises(UsageError, match="cannot be unpacked"), unpack(tmp_path / "a.tar.gz"):
        pass


def zipped(path, *entries):
    with zipfile.ZipFile(path, "w") as archive:
        for entry in entries:
            archive.writestr(entry, "text")
    return path


def test_a_zip_of_a_checkpoint_is_unpacked_whatever_else_is_in_it(some_of_v2, tmp_path):
    slim_graph.save(some_of_v2, tmp_path / "model.ckpt-275", "V2")
    files = [path for path in tmp_path.iterdir() if path.name.startswith("model.ckpt-275")]
    path = zipped(
        tmp_path / "2018.zip", "__MACOSX/2018/._model.ckpt-275.index", "2018/model.ckpt-275.meta", "2018/f.pb"
    )
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"2018/{file.name}")
    assert find_start(path) == Start(Kind.ARCHIVE, path)
    with unpack(path) as inside:
        assert inside.name == "model.ckpt-275"
        shapes, _ = tf_slim.read(inside)
    assert shapes == {name: array.shape for name, array in some_of_v2.items()}


def test_a_zip_that_is_not_one_checkpoint_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.ckpt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for entry, message in (
        ("../outside.ckpt", "leads out of the folder"),
        ("/outside.ckpt", "leads out of the folder"),
        (link, "neither a file nor a folder"),
        ("text.ckpt", "0 TensorFlow checkpoints"),
    ):
        with pytest.raises(UsageError, match=message), unpack(zipped(tmp_path / "a.zip", entry)):
            pass
    locked = bytearray(zipped(tmp_path / "a.zip", "text.ckpt").read_bytes())
    locked[6] = locked[locked.index(b"PK\x01\x02") + 8] = 1  # says that it is encrypted
    for content in (locked, b"PK rest"):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(UsageError, match="cannot be unpacked"), unpack(tmp_path / "a.zip"):
            pass


@pytest.mark.long
def test_several_members_are_not_started_from_one_network(tmp_path):
    two = Architecture("small_resnet", 36, 16, members=2)
    source = build(two)
    source.save_weights(tmp_path / "two.weights.h5")
    network = build(two)
    start_from(network, two, tmp_path / "two.weights.h5")
    for found, wanted in zip(network.weights, source.weights, strict=True):
        np.testing.assert_array_equal(found, wanted)
    build(SMALL).save_weights(tmp_path / "one.weights.h5")
    with pytest.raises(UsageError, match="not of the backbone small_resnet"):
        start_from(network, two, tmp_path / "one.weights.h5")
    (tmp_path / "one.zip").write_bytes(b"")
    with pytest.raises(UsageError, match="from the same weights would not differ"):
        start_from(network, two, tmp_path / "one.zip")

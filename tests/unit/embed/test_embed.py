"""Any LiteRT face embedder goes through embed and evaluate, without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.collect.__main__ import main as collect
from components.common.crops import crop_of, decode_crops
from components.common.errors import FacenetError
from components.common.manifest import DATASET, EMBEDDINGS, FACES, about, read, write
from components.common.preprocessing import Preprocessing
from components.embed import stage
from components.embed.__main__ import main
from components.embed.network import open_network
from components.evaluate.__main__ import main as evaluate
from components.litert.embedder import LiteRTEmbedder
from tests.unit.litert.published import SPECIFICATION, converted, embedded, pair_model

# A process of its own: TensorFlow is in this one already.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from components.common.preprocessing import Preprocessing
from components.embed.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.tflite"
    path.write_bytes(pair_model())
    return path


def specified(path, margin=0.25):
    record = {**SPECIFICATION, "preprocessing": {"crop": {"margin": margin, "alignment": "none"}}}
    path.with_suffix(".json").write_text(json.dumps(record))


def test_a_published_model_is_scored(tmp_path, published, dataset):
    specified(published)
    flags = ["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "embeddings")]
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW, *flags], check=True)
    table = read(tmp_path / "embeddings", EMBEDDINGS)
    assert set(table["checkpoint_sha256"].to_pylist()) == {LiteRTEmbedder(published).sha256}
    vectors = np.array(table["embedding"].to_pylist())
    assert vectors.shape == (len(read(dataset, DATASET)), 192)

    assert evaluate(["-i", str(tmp_path / "embeddings"), "-o", str(tmp_path / "report"), "--split", "all"]) == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["checkpoint_sha256"] == table["checkpoint_sha256"][0].as_py()


def test_a_published_list_of_pairs_is_measured_whole(tmp_path, published, faces):
    specified(published)
    found = read(faces, FACES).to_pylist()
    ada, bo, solo = found[0], next(row for row in found if row["identity"] != found[0]["identity"]), found[-1]
    twice = {**ada, "photo_path": f"{ada['identity']}/again.jpg"}
    under_two_names = {**ada, "identity": bo["identity"], "photo_path": f"{bo['identity']}/again.jpg"}
    alone = {**solo, "identity": "Solo", "photo_path": "Solo/1.jpg"}
    rows = pa.Table.from_pylist([*found, twice, under_two_names, alone], schema=FACES.schema)
    write(tmp_path / "faces", FACES, rows, about(faces, FACES))
    of = [f"{row['identity']}/{Path(row['photo_path']).stem}" for row in (ada, twice, bo, under_two_names, alone)]
    pairs = [(0, 1), (2, 3), (0, 2), (4, 1), (0, 1), (3, 2), (4, 2), (1, 3)]
    (tmp_path / "pairs.txt").write_text("2\t2\n" + "".join(f"{of[a]} {of[b]}\n" for a, b in pairs))

    def missing(name, *flags):
        dataset, embeddings, report = (str(tmp_path / f"{name}-{what}") for what in ("dataset", "embeddings", "report"))
        assert collect(["-i", str(tmp_path / "faces"), "-o", dataset, "--test", "1", *flags]) == 0
        assert set(read(Path(dataset), DATASET)["split"].to_pylist()) == {"test"}
        assert main(["-i", dataset, "-c", str(published), "-o", embeddings]) == 0
        ended = evaluate(["-i", embeddings, "-o", report, "--pairs", str(tmp_path / "pairs.txt")])
        return json.loads((Path(report) / "metrics.json").read_text())["missing"]["faces"] if ended == 0 else None

    assert missing("whole", "--min_examples", "1", "--drop_duplicates", "false") == 0
    assert missing("dropped") is None  # nothing of it is left


@pytest.mark.long
def test_a_checkpoint_of_members_is_embedded_without_tensorflow_as_with_it(
    tmp_path, dataset, faces, capsys, monkeypatch
):
    from components.model import checkpoint
    from components.model.network import Architecture, build, scale

    architecture = Architecture("small_resnet", 36, 16, members=2)
    network = build(architecture)
    network(scale(decode_crops(read(dataset, DATASET), [faces], 36)), training=True)
    preprocessing = Preprocessing(36, crop_of(faces), scaling="standardised", flip_averaging=True)
    checkpoint.save(tmp_path / "c", network, architecture, preprocessing, {})
    flags = ["-i", str(dataset), "-c", str(tmp_path / "c"), "-o"]
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW, *flags, str(tmp_path / "without")], check=True)
    (tmp_path / "c" / "model.tflite").rename(tmp_path / "aside")
    assert main([*flags, str(tmp_path / "with")]) == 0
    (tmp_path / "aside").rename(tmp_path / "c" / "model.tflite")
    tables = [read(tmp_path / name, EMBEDDINGS) for name in ("without", "with")]
    assert set(tables[0]["checkpoint_sha256"].to_pylist()) == {checkpoint.fingerprint(tmp_path / "c")}
    assert tables[0].drop(["embedding"]).equals(tables[1].drop(["embedding"]))
    np.testing.assert_allclose(*(np.array(table["embedding"].to_pylist()) for table in tables), atol=1e-5)

    monkeypatch.setattr("components.embed.network.has_driver", lambda: True)
    assert main([*flags, str(tmp_path / "on a GPU")]) == 0
    assert read(tmp_path / "on a GPU", EMBEDDINGS).equals(tables[1])  # TensorFlow's, to the bit
    monkeypatch.undo()

    checkpoint.save(tmp_path / "other", build(architecture), architecture, preprocessing, {})
    (tmp_path / "other" / "model.tflite").replace(tmp_path / "c" / "model.tflite")
    assert main([*flags, str(tmp_path / "mixed")]) == 2
    assert "of another network than its weights" in capsys.readouterr().err


def test_without_tensorflow_a_checkpoint_folder_is_refused_by_name(tmp_path, dataset):
    (tmp_path / "facenet.json").write_text('{"format": 1}')
    (tmp_path / "model.weights.h5").touch()
    flags = ["-i", str(dataset), "-c", str(tmp_path), "-o", str(tmp_path / "embeddings")]
    code = [sys.executable, "-c", WITHOUT_TENSORFLOW, *flags]
    done = subprocess.run(code, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs TensorFlow, which is not installed here" in done.stderr


@pytest.mark.parametrize(
    ("margin", "message"), [(0.3, "extract --margin 0.3 --alignment none"), (None, "does not say what")]
)
def test_a_model_that_does_not_fit(tmp_path, published, dataset, capsys, margin, message):
    if margin:
        specified(published, margin)
    assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "embeddings")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "embeddings").exists()


def test_bfloat16_is_near_and_a_file_keeps_its_own_precision(tmp_path, published, dataset, faces, capsys):
    import keras

    from components.model import checkpoint
    from components.model.network import Architecture, build

    keras.utils.set_random_seed(0)
    architecture = Architecture("small_resnet", 32, 16)
    checkpoint.save(tmp_path / "c", build(architecture), architecture, Preprocessing(32, crop_of(faces)), {})
    vectors = []
    for precision in ("float32", "bfloat16"):
        flags = ["-c", str(tmp_path / "c"), "-o", str(tmp_path / "e"), "--precision", precision]
        assert main(["-i", str(dataset), *flags]) == 0
        vectors.append(np.array(read(tmp_path / "e", EMBEDDINGS)["embedding"].to_pylist()))
    assert np.sum(vectors[0] * vectors[1], axis=1).min() > 0.99
    assert (vectors[0] != vectors[1]).any()
    specified(published)
    assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "e"), "--precision", "bfloat16"]) == 2
    assert "the precision that it was exported with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "faces", "instructions", "driver", "opened"),
    [
        ("auto", 4096, True, False, "bfloat16"),
        ("auto", 4095, True, False, None),
        ("auto", 4096, False, False, None),
        ("auto", 4096, None, False, None),  # nobody knows
        ("auto", 4096, True, True, None),  # the GPU's own
        ("float32", 4096, True, False, None),
        ("bfloat16", 1, False, False, "bfloat16"),
    ],
)
def test_many_faces_are_embedded_in_what_the_processor_is_fastest_in(
    tmp_path, monkeypatch, asked, faces, instructions, driver, opened
):
    monkeypatch.setattr(stage, "has_bfloat16", lambda: instructions)
    monkeypatch.setattr(stage, "has_driver", lambda: driver)
    assert stage._precision(asked, tmp_path, faces) == opened
    assert stage._precision("auto", tmp_path / "file.tflite", faces) is None
    assert stage._precision("float32", tmp_path / "file.tflite", faces) == "float32"  # refused: it has its own


def test_averaged_with_the_mirror_image_both_sides_of_a_face_count_alike(tmp_path, published, dataset, faces):
    specified(published)
    for name, flags in {"plain": [], "averaged": ["--flip_averaging", "true"]}.items():
        assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / name), *flags]) == 0
    plain, averaged = (
        np.array(read(tmp_path / name, EMBEDDINGS)["embedding"].to_pylist()) for name in ("plain", "averaged")
    )
    images = decode_crops(read(dataset, DATASET), [faces], 16)
    mirrored = open_network(published).embed(np.ascontiguousarray(images[:, :, ::-1]), None)
    wanted = plain + mirrored
    np.testing.assert_allclose(averaged, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)
    assert np.abs(averaged - plain).max() > 1e-3


@pytest.mark.parametrize("name", ["MODEL.TFLITE", "model.lite"])
def test_a_file_is_a_litert_model_whatever_its_name_ends_in(published, name):
    specified(published)
    other = published.with_name(name)
    other.write_bytes(published.read_bytes())
    specified(other)
    assert open_network(other).sha256 == open_network(published).sha256


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda images: tf.math.log(embedded(images) - 1e6), "gave no embedding"),  # NaN
        (lambda images: embedded(images) * 0, "gave no embedding"),
        (lambda images: embedded(images) / 0, "gave no embedding"),  # infinite
        (lambda images: embedded((images - 127.5) / 127.5), "all pictures the same embedding"),  # it wants 0 to 255
    ],
)
def test_a_file_that_makes_one_person_of_everybody_writes_nothing(tmp_path, published, dataset, capsys, call, message):
    published.write_bytes(converted(call, [1, 16, 16, 3]))
    specified(published)
    assert main(["-i", str(dataset), "-c", str(published), "-o", str(tmp_path / "embeddings")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "embeddings").exists()


def test_a_face_without_an_embedding_is_an_error_where_others_have_one(published):
    """Of a network that divides by 0 where a picture has no light."""
    published.write_bytes(converted(lambda images: embedded(images) / tf.reduce_max(images), [1, 16, 16, 3]))
    published.with_suffix(".json").write_text(
        json.dumps({**SPECIFICATION, "preprocessing": {**SPECIFICATION["preprocessing"], "scaling": "[0, 255]"}})
    )
    embed = open_network(published).embed
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    np.testing.assert_allclose(np.linalg.norm(embed(pictures, None), axis=1), 1, atol=1e-5)
    pictures[1] = 0
    with pytest.raises(FacenetError, match="gave no embedding") as failed:
        embed(pictures, None)
    assert "1 of 3 pictures" in str(failed.value)


@pytest.mark.parametrize("gamma", [float("nan"), 0.0])
def test_a_checkpoint_that_gives_no_embedding_writes_none(tmp_path, dataset, faces, capsys, gamma):
    from components.model import checkpoint
    from components.model.network import Architecture, build

    architecture = Architecture("small_resnet", 32, 16)
    network = build(architecture)
    network.get_layer("embedding").set_weights([np.full(network.get_layer("embedding").kernel.shape, gamma)])
    checkpoint.save(tmp_path / "c", network, architecture, Preprocessing(32, crop_of(faces)), {})
    assert main(["-i", str(dataset), "-c", str(tmp_path / "c"), "-o", str(tmp_path / "e")]) == 1
    assert "gave no embedding" in capsys.readouterr().err
    assert not (tmp_path / "e").exists()

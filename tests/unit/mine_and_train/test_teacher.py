"""A network learns what another one says of the faces, and no names."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.collect.__main__ import main as collect
from components.common.manifest import DATASET, EMBEDDINGS, read, unnamed
from components.common.parsing import parse
from components.embed.__main__ import main as embed
from components.embed.settings import Settings as EmbedSettings
from components.mine_and_train.__main__ import main as mine_and_train
from components.mine_and_train.losses.distillation import distillation_loss
from components.mine_and_train.sampler import sample_faces
from components.mine_and_train.stage import _training_rows
from components.mine_and_train.teacher import read_teacher
from components.model.embeddings import write_embeddings

SEED = tf.constant([1, 2], tf.int32)
SIZE = 8
TINY = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", str(SIZE), "--batch_size", "16"]
TINY += ["--faces_per_identity", "4", "--max_batches", "4", "--rounds", "4", "--optimizer", "adam"]
TINY += ["--learning_rate", "0.01", "--jitter", "0"]


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def drawn(count, seed):
    """Embeddings as networks give them: around a mean, each number with a spread of its own."""
    rng = np.random.default_rng(seed)
    return unit(3 + rng.normal(size=(count, SIZE)) * np.linspace(0.2, 2, SIZE))


@pytest.fixture
def taught(dataset, tmp_path):
    rows = read(dataset, DATASET)
    write_embeddings(tmp_path / "teacher", rows, drawn(len(rows), 1), "ab" * 32)
    return tmp_path / "teacher"


def test_the_loss_is_that_of_a_loop_over_faces_and_pairs():
    ours, theirs = drawn(6, 2), drawn(6, 3)
    squared = lambda one, other: float(np.sum((one - other) ** 2))  # noqa: E731
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    scale = np.mean([squared(theirs[i], theirs[j]) for i, j in pairs])
    own = [squared(ours[i], theirs[i]) for i in range(6)]
    relations = [((squared(ours[i], ours[j]) - squared(theirs[i], theirs[j])) / scale) ** 2 for i, j in pairs]
    nearer = [min(squared(ours[i], theirs[j]) for j in range(6) if j != i) < own[i] for i in range(6)]
    seen = distillation_loss(tf.constant(ours), tf.constant(theirs), SEED)
    np.testing.assert_allclose(seen.loss, np.mean(own) / scale + np.mean(relations), rtol=1e-4)
    np.testing.assert_allclose(seen.positive, np.mean(own), rtol=1e-4)
    np.testing.assert_allclose(seen.negative, np.mean([squared(ours[i], theirs[j]) for i, j in pairs]), rtol=1e-4)
    np.testing.assert_allclose(seen.active, np.mean(nearer), atol=1e-6)


def test_whoever_says_the_same_as_the_teacher_has_no_loss():
    theirs = tf.constant(drawn(5, 4))
    seen = distillation_loss(theirs, theirs, SEED)
    assert abs(float(seen.loss)) < 1e-5
    assert float(seen.active) == 0


def test_a_pass_shows_every_face_once_before_any_comes_again():
    batches = sample_faces(10, 5, np.random.default_rng(0))
    first, second, third = next(batches), next(batches), next(batches)
    assert sorted([*first, *second]) == list(range(10))
    assert len(set(third)) == 5
    assert len(next(sample_faces(3, 5, np.random.default_rng(0)))) == 3


def test_the_teachers_embeddings_come_in_the_order_of_the_faces_and_of_one_deviation(dataset, taught):
    rows = read(dataset, DATASET)
    backwards = rows.take(list(range(len(rows)))[::-1])
    teacher, reverse = read_teacher([taught], rows), read_teacher([taught], backwards)
    np.testing.assert_allclose(reverse.scaled, teacher.scaled[::-1], atol=1e-6)
    scaled = drawn(len(rows), 1) / drawn(len(rows), 1).std(axis=0)
    np.testing.assert_allclose(teacher.scaled, unit(scaled), atol=1e-5)
    np.testing.assert_allclose(teacher.centre, scaled.mean(axis=0), rtol=1e-4)
    assert teacher.network == "ab" * 32


@pytest.fixture
def strangers(faces, dataset, tmp_path):
    """The same dataset, but somebody of the train split is taken for four people without names."""
    rows = read(dataset, DATASET).to_pylist()
    somebody = next(row["identity"] for row in rows if row["split"] == "train")
    assert collect(["-i", str(faces), "-o", str(tmp_path / "strangers"), "--unnamed", somebody]) == 0
    return tmp_path / "strangers"


def test_without_a_teacher_unnamed_people_are_left_out(dataset, strangers, tmp_path, capsys):
    rows, everybody = read(strangers, DATASET), read(dataset, DATASET)
    kept = _training_rows(rows, strangers, None)
    assert "4 faces of unnamed people are left out" in capsys.readouterr().out
    assert set(kept["face_id"].to_pylist()) == {
        row["face_id"]
        for row, own in zip(rows.to_pylist(), unnamed(rows).to_pylist(), strict=True)
        if row["split"] == "train" and not own
    }
    assert len(rows) == len(everybody)
    assert len(kept) == everybody["split"].to_pylist().count("train") - 4


def test_a_network_comes_nearer_to_its_teacher(strangers, taught, tmp_path, capsys):
    flags = ["-i", str(strangers), "-c", str(tmp_path / "one"), "--teacher", str(taught)]
    assert mine_and_train([*flags, *TINY]) == 0
    said = capsys.readouterr().out
    assert "nearer to another's" in said and "and 4 faces of unnamed people" in said
    assert "/" not in (tmp_path / "one-training" / "events" / "names.tsv").read_text()
    description = json.loads((tmp_path / "one" / "facenet.json").read_text())
    assert description["training"]["teacher"]["network"] == "ab" * 32
    rounds = description["training"]["rounds"]
    assert {each["phase"] for each in rounds} == {"distillation"}
    assert rounds[-1]["positive_distance"] < 0.9 * rounds[0]["positive_distance"]


@pytest.mark.long
def test_members_learn_an_embedding_each(dataset, taught, tmp_path, capsys):
    flags = ["-i", str(dataset), "-c", str(tmp_path / "two"), "--teacher", str(taught), *TINY, "--members", "2"]
    flags += ["--image_size", "36"]  # of which the second member sees 32
    assert mine_and_train(flags) == 2
    assert f"Give --embedding_size {2 * SIZE}." in capsys.readouterr().err
    assert mine_and_train([*flags, "--embedding_size", str(2 * SIZE), "--rounds", "1"]) == 0


def test_faces_that_the_teacher_has_not_seen_are_named(dataset, tmp_path, capsys):
    rows = read(dataset, DATASET)
    write_embeddings(tmp_path / "few", rows.slice(0, 3), drawn(3, 1), "ab" * 32)
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--teacher", str(tmp_path / "few")]
    assert mine_and_train([*flags, *TINY]) == 2
    assert "has not seen all faces" in capsys.readouterr().err


def test_no_teacher_is_an_empty_manifest_and_the_training_one_by_names(dataset, tmp_path, capsys):
    assert embed(["-i", str(dataset), "-c", "", "-o", str(tmp_path / "nobody")]) == 0
    assert "No network is given" in capsys.readouterr().out
    assert len(read(tmp_path / "nobody", EMBEDDINGS)) == 0
    assert read_teacher([tmp_path / "nobody"], read(dataset, DATASET)) is None
    assert parse(EmbedSettings, ["-i", "x", "-c", "", "-o", "y"], prog="").checkpoint == ""


@pytest.mark.long
def test_a_training_does_not_go_on_with_another_teacher(dataset, taught, tmp_path, capsys):
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), *TINY]
    assert mine_and_train([*flags, "--teacher", str(taught), "--rounds", "1"]) == 0
    rows = read(dataset, DATASET)
    write_embeddings(tmp_path / "another", rows, drawn(len(rows), 5), "cd" * 32)
    assert mine_and_train([*flags, "--teacher", str(tmp_path / "another")]) == 2
    assert "cannot go on with other values" in capsys.readouterr().err
    assert mine_and_train([*flags, "--teacher", str(taught)]) == 0
    keras.utils.clear_session()

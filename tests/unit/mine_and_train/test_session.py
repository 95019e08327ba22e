"""What a training says and keeps on its way, and how it ends."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from components.common.command import FAILED_TRAINING
from components.common.manifest import EMBEDDINGS, read
from components.common.preprocessing import Crop, Preprocessing
from components.embed.__main__ import main as embed
from components.evaluate.score import Score
from components.mine_and_train import loop, session
from components.mine_and_train.__main__ import main
from components.model import checkpoint
from components.model.network import Architecture, build

TINY = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", "8", "--batch_size", "16"]
TINY += ["--faces_per_identity", "4", "--max_batches", "3"]


def flags(dataset, folder, *more):
    return ["-i", str(dataset), "-c", str(folder / "checkpoint"), *TINY, *more]


def weights(folder):
    return (folder / checkpoint.WEIGHTS).read_bytes()


def test_of_many_people_some_are_validated_with_all_their_faces():
    people = np.random.default_rng(0).permutation(np.repeat(np.arange(100), 7))
    some = session._of_some_people(people, 50, np.random.default_rng(1))
    assert np.unique(people[some], return_counts=True)[1].tolist() == [7] * 7
    assert (np.diff(some) > 0).all()


@pytest.mark.long
def test_the_best_and_every_second_are_kept_and_the_best_is_taken_when_none_is_better(
    dataset, tmp_path, monkeypatch, capsys
):
    scores = iter([0.6, 0.8, 0.7, 0.75])
    monkeypatch.setattr(session, "score", lambda protocol, embeddings: Score(0.5, next(scores), 0.5, 0.0))
    given = flags(dataset, tmp_path, "--rounds", "9", "--validate_every", "1", "--keep_every", "2")
    given += ["--patience", "2", "--ema", "0.5"]
    assert main(given) == 0
    assert "No better score in 2 validations" in capsys.readouterr().out
    training = tmp_path / "checkpoint-training"
    assert {path.name for path in training.iterdir() if path.is_dir()} == {
        "best",
        "round-00002",
        "round-00004",
        "events",
    }
    best = json.loads((training / "best" / "facenet.json").read_text())["training"]["rounds"]
    assert [entry["number"] for entry in best] == [1, 2]
    assert weights(training / "round-00002") == weights(training / "best") != weights(training / "round-00004")
    assert weights(tmp_path / "checkpoint") == weights(training / "best")
    for folder in (tmp_path / "checkpoint", training / "best"):
        assert json.loads((folder / "facenet.json").read_text())["training"]["kept_round"] == 2
    assert "round 2, which is kept" in (training / "card.html").read_text()
    # Killed while it wrote its results, it would not train on: there are no more scores to draw.
    (tmp_path / "checkpoint" / checkpoint.WEIGHTS).unlink()
    assert main(given) == 0
    assert weights(tmp_path / "checkpoint") == weights(training / "best")


@pytest.mark.long
def test_what_a_start_wants_to_see_of_pixels_goes_with_all_that_comes_of_it(dataset, tmp_path):
    network = build(Architecture("small_resnet", 32, 8))
    wanted = Preprocessing(32, Crop(0.25, "none"), scaling="standardised")
    checkpoint.save(tmp_path / "start", network, Architecture("small_resnet", 32, 8), wanted, {})
    given = flags(dataset, tmp_path, "-p", str(tmp_path / "start"), "--embeddings", str(tmp_path / "embeddings"))
    for rounds in ("1", "2"):  # the second goes on from the first one's state
        assert main([*given, "--rounds", rounds]) == 0
        assert checkpoint.specification_of(tmp_path / "checkpoint")[1].scaling == "standardised"
    # What was embedded in the training is what `embed` gives of the checkpoint, which reads its own description.
    assert embed(["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "-o", str(tmp_path / "again")]) == 0
    found, again = (read(tmp_path / name, EMBEDDINGS)["embedding"].to_pylist() for name in ("embeddings", "again"))
    np.testing.assert_allclose(found, again, atol=1e-5)  # LiteRT and TensorFlow


@pytest.mark.long
def test_a_long_round_is_told_while_it_is_under_way_and_a_cap_on_triplets_with_what_there_was(
    dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(loop, "_SECONDS_PER_LINE", 0)
    assert main(flags(dataset, tmp_path, "--rounds", "1", "--max_triplets", "200")) == 0
    said = capsys.readouterr().out
    for start in ("round 1/1, 33% done: ", "round 1/1, 67% done: ", "round 1/1: "):
        assert f"\n{start}" in said
    assert " triplets, a fair sample of 200 kept" in said


@pytest.mark.parametrize("more", [[], pytest.param(["--loss", "contrastive"], marks=pytest.mark.long)])
def test_a_network_that_embeds_all_faces_alike_stops_with_the_cause_and_what_to_try(more, dataset, tmp_path, capsys):
    architecture = Architecture("small_resnet", 32, 8)
    network = build(architecture)
    for layer, name in (("embedding", "kernel"), ("embedding_normalisation", "beta")):
        variable = getattr(network.get_layer(layer), name)
        variable.assign(np.full(variable.shape, float(name == "beta")))
    preprocessing = Preprocessing(32, Crop(0.25, "none"))
    checkpoint.save(tmp_path / "collapsed", network, architecture, preprocessing, {})
    given = ["-p", str(tmp_path / "collapsed"), "--learning_rate", "1e-12", "--rounds", "9", *more]
    assert main(flags(dataset, tmp_path, *given)) == FAILED_TRAINING
    said = capsys.readouterr().err
    assert "all embeddings have become equal (collapse)" in said
    assert "round 3" in said and "lower --learning_rate" in said and "begin anew: remove" in said


@pytest.fixture
def start(dataset, tmp_path):
    """A checkpoint to start from, whose BatchNorm knows other pictures than the faces."""
    keras.utils.set_random_seed(1)
    network = build(Architecture("small_resnet", 32, 8))
    network(np.random.default_rng(0).uniform(-1, 1, (16, 32, 32, 3)).astype(np.float32), training=True)
    preprocessing = Preprocessing(32, Crop(0.25, "none"))
    checkpoint.save(tmp_path / "start", network, Architecture("small_resnet", 32, 8), preprocessing, {})
    return tmp_path / "start"


def variables(folder):
    return [np.asarray(variable) for variable in checkpoint.load(folder).network.weights]


def scored(monkeypatch, *auc):
    given = iter(auc)
    monkeypatch.setattr(session, "score", lambda protocol, embeddings: Score(0.5, next(given), 0.5, 0.0))


@pytest.mark.long
def test_a_start_that_no_round_makes_better_is_taken_bit_for_bit(dataset, start, tmp_path, monkeypatch, capsys):
    scored(monkeypatch, 0.9, 0.6, 0.7)
    given = flags(dataset, tmp_path, "-p", str(start), "--validate_every", "1", "--patience", "2")
    for rounds in ("1", "5"):  # the second goes on, and does not score the start again: there are three scores
        assert main([*given, "--rounds", rounds]) == 0
    said = capsys.readouterr().out
    assert said.count("as it started; unseen people: accuracy 0.500, AUC 0.9000") == 1
    assert "No better score in 2 validations" in said
    sentence = "The network is taken as it started: AUC 0.9000 on unseen people; 0.7000 at best after training."
    assert sentence in said and sentence in (tmp_path / "checkpoint-training" / "card.html").read_text()
    assert all(map(np.array_equal, variables(tmp_path / "checkpoint"), variables(start)))
    training = json.loads((tmp_path / "checkpoint" / "facenet.json").read_text())["training"]
    assert training["kept_round"] == 0 and training["as_it_started"]["validation_auc"] == 0.9


@pytest.mark.long
def test_with_patience_the_best_round_is_taken_at_the_end_too(dataset, start, tmp_path, monkeypatch, capsys):
    scored(monkeypatch, 0.6, 0.8, 0.7)
    given = ["-p", str(start), "--validate_every", "1", "--patience", "5", "--rounds", "2"]
    assert main(flags(dataset, tmp_path, *given)) == 0
    said = capsys.readouterr().out
    assert "variables restored from" in said
    assert "Round 1 is taken, the best: AUC 0.8000 on unseen people; 0.6000 as it started." in said
    assert weights(tmp_path / "checkpoint") == weights(tmp_path / "checkpoint-training" / "best")


@pytest.mark.long
def test_no_round_keeps_a_start_as_it_is(dataset, start, tmp_path):
    given = flags(dataset, tmp_path, "--rounds", "0", "--markdown", str(tmp_path / "card.md"))
    assert main(given) == 2
    assert main([*given, "-p", str(start)]) == 0
    assert all(map(np.array_equal, variables(tmp_path / "checkpoint"), variables(start)))
    card = (tmp_path / "card.md").read_text()
    assert "the network as it started, which is kept" in card and "Loss in the last round" not in card

"""A training that was stopped, at any point and in any way, ends with the weights of one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from components.common.command import TENSORFLOW_THREADS
from components.common.errors import UsageError
from components.common.parsing import parse
from components.mine_and_train import session, stage, state
from components.mine_and_train.__main__ import main
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.heads import Classification
from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.optimizer import Optimization
from components.mine_and_train.settings import Settings
from components.mine_and_train.state import State
from components.mine_and_train.strategy import Strategy
from components.mine_and_train.train import Training
from components.model.network import Architecture, build

LABELS = np.repeat(np.arange(10), 5)
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
RECIPES = {
    "offline": Hyperparameters(rounds=3, faces_per_identity=4, batch_size=16, max_batches=5, identities_per_round=8),
    "online": Hyperparameters(
        rounds=3,
        faces_per_identity=4,
        batch_size=16,
        max_batches=4,
        loss="online-triplet",
        strategy=Strategy("all", "random-violating", 0.3),
        optimization=Optimization(optimizer="muon", schedule="cosine", warmup=0.2, ema=0.9, clip_norm=1.0),
        augmentation=Augmentation(jitter=0.1, brightness=0.2, erasing=0.5),
    ),
    "classification first": Hyperparameters(
        rounds=3, faces_per_identity=4, batch_size=16, max_batches=4, loss="online-triplet", classification_rounds=2
    ),
    "a sampled classification": Hyperparameters(
        rounds=3,
        faces_per_identity=2,
        batch_size=6,
        max_batches=4,
        loss="classification",
        classification=Classification("adaface", subcentres=2, sample_rate=0.7),
        optimization=Optimization(optimizer="adam", ema=0.9),
    ),
}


TAUGHT = "by a teacher"
RECIPES[TAUGHT] = Hyperparameters(rounds=3, faces_per_identity=4, batch_size=16, max_batches=4)


def training_of(name):
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(1).normal(size=(len(IMAGES), 8)).astype(np.float32)
    taught = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if name == TAUGHT else None
    return Training(build(Architecture("small_resnet", 32, 8)), IMAGES, LABELS, RECIPES[name], taught=taught)


def ended(training):
    for _ in training.run():
        pass
    with training.evaluation_weights():
        return [np.asarray(weight) for weight in training.network.weights], training.rounds


def without_times(rounds):
    return [{**vars(done), "seconds": 0, "images_per_second": 0} for done in rounds]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "offline" else pytest.mark.long) for name in RECIPES],
)
def test_going_on_from_any_step_gives_the_same_weights_bit_for_bit(name, tmp_path):
    undisturbed = training_of(name)
    points = []
    for count, _ in enumerate(undisturbed.run()):
        if count % 4 == 1:
            points.append(tmp_path / str(count))
            state.save(points[-1], undisturbed.state({"seed": 0}))
    with undisturbed.evaluation_weights():
        expected = [np.asarray(weight) for weight in undisturbed.network.weights]
    assert len(points) >= 3
    resumed = training_of(name)
    for folder in points:
        resumed.go_on_from(state.load(folder))
        weights, rounds = ended(resumed)
        for weight, other in zip(expected, weights, strict=True):
            np.testing.assert_array_equal(weight, other)
        assert without_times(rounds) == without_times(undisturbed.rounds)


def test_a_state_from_before_alignments_had_names_is_gone_on_from(tmp_path, capsys):
    settings = parse(Settings, ["-i", "dataset", "-c", str(tmp_path / "checkpoint")], prog="")
    config = settings.config() | {"dataset": "", "crop": {"margin": 0.25, "alignment": "dlib", "detector": "dlib"}}
    older = {name: value for name, value in config.items() if name != "crop_share"}
    older["crop"] = {"margin": 0.25, "alignment": "five-point"}
    settings.training_folder.mkdir()
    state.save(settings.training_folder, State(older, [], 0, 7, np.zeros((0, 7), np.float32), 0.0, None, {}))
    assert stage._load_stopped(settings, config).steps == 7
    assert capsys.readouterr().out == "Going on with the same settings.\n"
    with pytest.raises(UsageError, match=r"crop_share 1\.0 -> 0\.8"):
        stage._load_stopped(settings, config | {"crop_share": 0.8})


FLAGS = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", "16", "--batch_size", "32"]
FLAGS += ["--faces_per_identity", "4", "--max_batches", "12", "--rounds", "24", "--save_every", "7"]
FLAGS += ["--validate_every", "8", "--optimizer", "adam", "--schedule", "cosine"]


def command(dataset: Path, checkpoint: Path) -> list[str]:
    module = [sys.executable, "-u", "-m", "components.mine_and_train"]
    return [*module, "-i", str(dataset), "-c", str(checkpoint), *FLAGS]


def killed(process: subprocess.Popen[bytes], number: signal.Signals, after: float) -> int:
    """The exit code of a training that gets a signal some seconds after it has begun."""
    # Counted from where the training proper begins: importing TensorFlow is no point to test.
    assert process.stdout is not None
    for line in process.stdout:
        if b"parameters;" in line:
            break
    delay = threading.Timer(after, process.send_signal, [number])
    delay.start()
    process.stdout.read()
    code = process.wait()
    delay.cancel()
    return code


@pytest.mark.long
def test_ten_kills_at_random_points_change_nothing(dataset, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command(dataset, tmp_path / "undisturbed"), check=True, capture_output=True, env=environment)

    def check(checkpoint: Path) -> None:
        for file in ("model.weights.h5", "facenet.json"):
            assert (checkpoint / file).read_bytes() == (tmp_path / "undisturbed" / file).read_bytes()

    chance = random.Random(5)
    kills, trainings = 0, 1
    while kills < 10:
        number = signal.SIGTERM if kills % 2 else signal.SIGKILL
        checkpoint = tmp_path / f"killed-{trainings}"
        with subprocess.Popen(
            command(dataset, checkpoint), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        ) as process:
            code = killed(process, number, chance.uniform(0.0, 5.0))
        # -SIGTERM: it came when all was written and the interpreter on its way out.
        assert code in (-signal.SIGKILL, -signal.SIGTERM, 75, 0)
        kills += code in (-signal.SIGKILL, 75)
        if code == 0:  # it came to its end before it was hit: the kills that are left are for another one
            check(checkpoint)
            trainings += 1
    subprocess.run(command(dataset, checkpoint), check=True, capture_output=True, env=environment)
    check(checkpoint)


@pytest.mark.long
def test_a_training_goes_on_to_the_same_weights_on_any_number_of_processors(dataset, tmp_path):
    def trained(name: str, rounds: int, processors: set[int], threads: int | None) -> str:
        environment = {name: value for name, value in os.environ.items() if name != TENSORFLOW_THREADS}
        environment |= {} if threads is None else {TENSORFLOW_THREADS: str(threads)}
        return subprocess.run(
            [*command(dataset, tmp_path / name), "--schedule", "constant", "--rounds", str(rounds)],
            preexec_fn=partial(os.sched_setaffinity, 0, processors), env=environment, check=True, capture_output=True,
            text=True,
        ).stdout  # fmt: skip

    everything = os.sched_getaffinity(0)
    one = {min(everything)}
    trained("undisturbed", 2, everything, 3)
    trained("stopped", 1, everything, 3)
    assert "Going on with 3 threads, as it began" in trained("stopped", 2, one, None)
    trained("alone", 2, one, None)
    undisturbed = (tmp_path / "undisturbed" / "model.weights.h5").read_bytes()
    assert (tmp_path / "stopped" / "model.weights.h5").read_bytes() == undisturbed
    assert (tmp_path / "alone" / "model.weights.h5").read_bytes() != undisturbed  # or nothing would be shown
    assert json.loads((tmp_path / "stopped" / "facenet.json").read_text())["training"]["threads"] == 3


@pytest.fixture(scope="module")
def begun(dataset, tmp_path_factory):
    checkpoint = tmp_path_factory.mktemp("begun") / "checkpoint"
    assert main(["-i", str(dataset), "-c", str(checkpoint), *FLAGS, "--rounds", "1"]) == 0
    return checkpoint


@pytest.mark.long
def test_a_finished_training_goes_on_with_more_rounds_and_says_what_changed(begun, dataset, capsys):
    flags = ["-i", str(dataset), "-c", str(begun), *FLAGS, "--margin", "0.3", "-p", "gone since"]
    assert main([*flags, "--rounds", "2"]) == 0
    said = capsys.readouterr().out
    assert "Going on with rounds 2; it was 1." in said
    assert "Going on with margin 0.3; it was 0.2." in said
    assert "is left: the training has begun already" in said
    assert "round 1/2" not in said
    assert "round 2/2" in said


@pytest.mark.long
def test_a_training_that_ends_for_now_is_scored_and_goes_on_as_if_it_had_not_ended(dataset, tmp_path, capsys):
    flags = [*FLAGS, "--rounds", "3", "--max_batches", "2", "--patience", "2"]

    def trained(name, *more):
        assert main(["-i", str(dataset), "-c", str(tmp_path / name), *flags, *more]) == 0
        return json.loads((tmp_path / name / "facenet.json").read_text())["training"]["rounds"]

    scores = [done["validation_auc"] for done in trained("whole")]
    assert [score is None for score in scores] == [True, True, False]
    ended = [done["validation_auc"] for done in trained("in parts", "--until", "1")]
    assert len(ended) == 1
    assert ended[0] is not None
    trained("in parts")
    assert "Going on with until 0; it was 1." in capsys.readouterr().out
    for file in ("model.weights.h5", "facenet.json"):
        assert (tmp_path / "in parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert main(["-i", str(dataset), "-c", str(tmp_path / "whole"), *flags, "--until", "4"]) == 2
    assert "--until 4, --rounds 3" in capsys.readouterr().err


@pytest.mark.long
def test_an_unfinished_round_begins_anew_with_settings_that_change_its_batches(dataset, tmp_path, monkeypatch, capsys):
    save = state.save

    def save_and_ask_to_stop(folder, training_state):
        save(folder, training_state)
        os.kill(os.getpid(), signal.SIGTERM)

    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), *FLAGS, "--rounds", "1", "--save_every", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(state, "save", save_and_ask_to_stop)
        assert main(flags) == 75
    steps = state.load(tmp_path / "checkpoint-training").steps
    assert steps in (1, 2)
    capsys.readouterr()
    assert main([*flags, "--faces_per_identity", "3", "--identities_per_round", "6"]) == 0
    said = capsys.readouterr().out
    assert "Going on with faces_per_identity 3; it was 4." in said
    assert "The unfinished round begins anew" in said
    assert state.load(tmp_path / "checkpoint-training").rounds[0]["images"] == 18


def test_told_to_stop_at_any_time_the_exit_code_says_that_it_can_go_on(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "open_crops", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        main(["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), *FLAGS])
    assert stopped.value.code == 75


@pytest.mark.parametrize(
    "flags", [["--seed", "1"], ["--embedding_size", "8"], ["--optimizer", "sgd"], ["--loss", "online-triplet"]]
)
def test_settings_that_a_training_cannot_change_are_refused(begun, dataset, flags, capsys):
    assert main(["-i", str(dataset), "-c", str(begun), *FLAGS, *flags]) == 2
    said = capsys.readouterr().err
    assert f"{flags[0][2:]} " in said
    assert "Remove the folder to begin anew" in said


def test_fewer_rounds_than_are_done_are_refused(begun, dataset, tmp_path, capsys):
    folder = tmp_path / "training"
    folder.mkdir()
    stored = state.load(begun.with_name("checkpoint-training"))
    state.save(folder, replace(stored, rounds=stored.rounds * 3))
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--training", str(folder), *FLAGS]
    assert main([*flags, "--rounds", "2"]) == 2
    said = capsys.readouterr().err
    assert "--rounds 2" in said
    assert f"is after round {3 * len(stored.rounds)}" in said


def test_a_state_without_the_variables_of_the_network_is_named(begun, dataset, tmp_path, capsys):
    folder = tmp_path / "training"
    folder.mkdir()
    stored = state.load(begun.with_name("checkpoint-training"))
    state.save(folder, replace(stored, arrays={}))
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--training", str(folder), *FLAGS]
    assert main(flags) == 2
    said = capsys.readouterr().err
    assert "The state of the training does not fit these settings" in said and str(folder) in said


def test_a_damaged_state_is_named(begun, dataset, tmp_path, capsys):
    folder = tmp_path / "training"
    folder.mkdir()
    content = (begun.with_name("checkpoint-training") / state.FILE).read_bytes()
    (folder / state.FILE).write_bytes(content[: len(content) // 2])
    flags = ["-i", str(dataset), "-c", str(tmp_path / "checkpoint"), "--training", str(folder), *FLAGS]
    assert main(flags) == 2
    assert "cannot be read" in capsys.readouterr().err

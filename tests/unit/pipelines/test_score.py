"""`facenet score` on drawn people: real photos, dlib's detector, and a network in a LiteRT file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from components.common.manifest import EMBEDDINGS, FACES, about, read
from components.evaluate.pairs_file import read_pairs_file
from pipelines.cli import main
from pipelines.compile import DEFAULT_OUTPUT
from tests.answers import checked_metrics
from tests.unit.litert.published import SPECIFICATION, pair_model


@pytest.fixture(scope="module")
def photos(sample_photos, tmp_path_factory):
    """Six people with three photos each, and one with a single photo; one of the photos shows nothing."""
    folder = tmp_path_factory.mktemp("scored") / "photos"
    for number, person in enumerate(sorted(sample_photos.glob("person-*"))[:7]):
        for photo in sorted(person.glob("*.jpg"))[: 1 if number == 6 else 3]:
            (folder / person.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, folder / person.name)
    Image.new("RGB", (80, 80)).save(folder / "person-00000" / "02.jpg")
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "pair.tflite"
    path.write_bytes(pair_model())
    crop = {"margin": 0.14, "alignment": "dlib"}
    preprocessing = {"crop": crop, "scaling": "[-1, 1]"}
    path.with_suffix(".json").write_text(json.dumps({**SPECIFICATION, "preprocessing": preprocessing}))
    return path


def score(network, photos, folder, *more):
    return main(["score", "-c", str(network), "-i", str(photos), "-o", str(folder), *map(str, more)])


def record(folder):
    return checked_metrics(folder / "report")


@pytest.fixture(scope="module")
def scored(network, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("score") / "score"
    (folder.parent / "groups.csv").write_text("identity,group\nperson-00000,a\nnobody,b\n")
    assert score(network, photos, folder, "--slices", folder.parent / "groups.csv") == 0
    return folder


def test_photos_are_cut_out_as_the_network_asks_and_everybody_is_measured(scored, photos):
    cut = about([scored / "faces"], FACES)
    assert (cut["margin"], cut["alignment"]) == (0.14, "dlib")
    embedded = read([scored / "embeddings"], EMBEDDINGS)
    assert len(embedded) == len(list(photos.rglob("*.jpg"))) - 1
    assert set(embedded["split"].to_pylist()) == {"test"}
    assert "person-00006" in embedded["identity"].to_pylist()


def test_the_drawn_pairs_name_the_photo_without_a_face_which_counts_as_wrong_and_not_at_all(scored):
    pairs = read_pairs_file(scored / "drawn-pairs.txt").pairs
    without = [pair for pair in pairs if ("person-00000", "02.jpg") in pair]
    measured = record(scored)
    assert measured["missing"]["pairs"] == len(without) > 0
    assert measured["missing"]["first"] == ["person-00000/02.jpg"]
    assert sum(measured["protocol"]["scored"].values()) == len(pairs) - len(without)
    assert measured["accuracy"]["mean_missing_wrong"] < measured["accuracy"]["mean"]


def test_a_second_time_gives_the_same_and_the_drawn_list_may_be_given(scored, network, photos, tmp_path, capsys):
    shutil.copytree(scored, tmp_path / "again")
    given = ("--pairs", scored / "drawn-pairs.txt", "--slices", scored.parent / "groups.csv")
    assert score(network, photos, tmp_path / "again", *given) == 0
    said = capsys.readouterr().out
    for text in (
        "standard error over people",
        "AUC",
        "VAL at FAR 0.01",
        "counted as wrong",
        "1 of 2 people in groups.csv have no face here: nobody.",
        "again/report/report.html",
    ):
        assert text in said
    assert record(tmp_path / "again") == record(scored)


@pytest.mark.long
def test_dlibs_network_knows_the_drawn_people_apart(photos, tmp_path):
    assert score("dlib", photos, tmp_path / "score") == 0
    assert record(tmp_path / "score")["auc"] > 0.6


def test_wrong_use_is_said_before_any_photo_is_opened(network, photos, tmp_path, capsys):
    (tmp_path / "pairs.txt").write_text("no pairs")
    (tmp_path / "one" / "person").mkdir(parents=True)
    shutil.copy(photos / "person-00000" / "00.jpg", tmp_path / "one" / "person")
    for given, message in (
        ((network, tmp_path / "none", tmp_path / "score"), "no such photo folder"),
        ((network, tmp_path / "one", tmp_path / "score"), "too few photos to draw pairs of"),
        ((tmp_path / "none.tflite", photos, tmp_path / "score"), "no LiteRT model here"),
        ((network, photos, photos / "score"), "must not contain each other"),
        ((network, photos, tmp_path / "score", "--pairs", tmp_path / "pairs.txt"), "pairs file is malformed"),
        ((network, photos, tmp_path / "score", "--pairs", tmp_path / "none.txt"), "pairs file cannot be read"),
        ((network, photos, tmp_path / "score", "--slices", tmp_path / "none.csv"), "file of groups cannot be read"),
    ):
        assert score(*given) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "score").exists()
    assert not (photos / "score").exists()


def test_ctrl_c_ends_it_and_leaves_whole_results_only(network, photos, tmp_path):
    command = [sys.executable, "-m", "pipelines.cli", "score", "-c", network, "-i", photos, "-o", tmp_path / "score"]
    process = subprocess.Popen(
        command,
        cwd=DEFAULT_OUTPUT.parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "18 faces of" not in process.stdout.readline():  # extract has ended
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), error  # which are one to a shell
    assert "Traceback" not in error
    left = {path.name for path in (tmp_path / "score").iterdir()}
    assert {"drawn-pairs.txt", "faces", "faces-rejects"} <= left
    assert left <= {"drawn-pairs.txt", "faces", "faces-rejects", "dataset", "dataset-dropped", "embeddings"}

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from components.common import published
from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing
from components.litert.specification import Threshold
from components.verify import evaluation
from components.verify.__main__ import main as commands
from components.verify.compare import pairwise
from components.verify.verify import DIFFERENT, main


@pytest.fixture
def photos(people):
    return [str(photo) for name in list(people)[:2] for photo in people[name]][:3]


def report(place, sha256, rows=((0.01, 0.77, [0.7, 0.8], 0.95), (0.001, None, None, None))):
    place.mkdir(parents=True)
    entries = [
        {"far": far, "threshold": distance, "threshold_interval": interval, "val": val}
        for far, distance, interval, val in rows
    ]
    (place / "metrics.json").write_text(json.dumps({"val_at_far": entries, "checkpoint_sha256": sha256}))
    return place


def sha256_of(path):
    from components.litert.embedder import LiteRTEmbedder

    return LiteRTEmbedder(path).sha256


def test_distances_are_euclidean_and_of_every_pair():
    embeddings = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    pairs = list(pairwise(embeddings))
    assert [pair[:2] for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair[2] for pair in pairs] == pytest.approx([2**0.5, 2, 2**0.5])


@pytest.mark.parametrize("flag", [[], ["-i"]])
def test_every_pair_of_photos_is_compared_and_the_exit_code_says_whether_all_are_the_same(model, photos, flag, capsys):
    assert main([*flag, *photos, "-c", str(model), "--threshold", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(line.endswith("same") for line in lines[:3])
    assert main([*flag, photos[0], photos[0], photos[2], "-c", str(model), "--threshold", "0.001"]) == DIFFERENT == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("0.000  same") and lines[1].endswith("different") and lines[2].endswith("different")


def test_the_threshold_for_a_false_accept_rate_comes_from_the_file_with_what_it_means(model, photos, capsys):
    assert main([*photos[:1] * 2, "-c", str(model)]) == 0
    said = capsys.readouterr().out
    assert "distance 0.450 or less" in said and "0.400 to 0.500" in said
    assert "at most 1 % of the pairs of different people" in said and "60 % of the pairs of one person" in said
    assert main([*photos[:1] * 2, "-c", str(model), "--far", "0.1"]) == 0
    assert "distance 0.700 or less" in capsys.readouterr().out
    assert main([*photos[:1] * 2, "-c", str(model), "--far", "0.02"]) == 2
    assert "has 0.001, 0.01, 0.1" in capsys.readouterr().err


def test_json_says_the_same(model, photos, capsys):
    code = main([*photos, "-c", str(model), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == {"path": str(model), "sha256": sha256_of(model), "detector": "dlib"}
    assert told["threshold"] == {
        "distance": 0.45, "source": str(model), "far": 0.01, "interval": [0.4, 0.5], "val": 0.6
    }  # fmt: skip
    assert next((pair["a"], pair["b"]) for pair in told["pairs"]) == (photos[0], photos[1])
    assert code == (0 if all(pair["distance"] <= 0.45 for pair in told["pairs"]) else DIFFERENT)
    assert all(pair["same"] == (pair["distance"] <= 0.45) for pair in told["pairs"])


def test_a_report_takes_the_place_of_what_the_file_says(model, photos, tmp_path, capsys):
    place = report(tmp_path / "report", sha256_of(model))
    main([*photos[:2], "-c", str(model), "--report", str(place)])
    assert f"distance 0.770 or less (from {place})" in capsys.readouterr().out
    assert main([*photos[:2], "-c", str(model), "--report", str(place), "--far", "0.001"]) == 2  # not measurable there
    assert "has 0.01" in capsys.readouterr().err


def test_the_report_in_the_same_run_is_found_and_only_that_about_this_network(tmp_path):
    model = tmp_path / "export" / "model.tflite"
    report(tmp_path / "evaluate" / "another", "0" * 64)
    right = report(tmp_path / "evaluate" / "report", "1" * 64)
    assert evaluation.evaluation_beside(model, "1" * 64) == (
        evaluation.Evaluation((Threshold(0.01, 0.77, 0.7, 0.8, 0.95),), (), str(right))
    )
    with pytest.raises(UsageError, match="No evaluation"):
        evaluation.evaluation_beside(model, "2" * 64)


def test_without_an_evaluation_it_says_what_to_do(unevaluated, photos, capsys):
    assert main([*photos, "-c", str(unevaluated)]) == 2
    assert "--report" in capsys.readouterr().err


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoint folders of one network, for plain faces and for aligned ones."""
    from components.model import checkpoint
    from components.model.network import Architecture, build

    architecture = Architecture("small_resnet", 32, 16)
    network = build(architecture)
    places = {}
    for alignment in ("none", "dlib", "arcface"):
        places[alignment] = tmp_path_factory.mktemp("checkpoint") / alignment
        preprocessing = Preprocessing(32, Crop(0.25, alignment))
        checkpoint.save(places[alignment], network, architecture, preprocessing, {})
    return places


def test_a_checkpoint_folder_is_run_in_tensorflow_and_aligned_faces_are_given_where_it_learned_them(
    checkpoints, photos, capsys
):
    distances = []
    for place in checkpoints.values():
        assert main([*photos[:2], "-c", str(place), "--threshold", "2", "--json"]) == 0
        distances.append(json.loads(capsys.readouterr().out)["pairs"][0]["distance"])
    assert len(set(distances)) == len(checkpoints)


def test_a_checkpoint_that_makes_one_person_of_everybody_is_refused(photos, tmp_path, capsys):
    from components.model import checkpoint
    from components.model.network import Architecture, build

    architecture = Architecture("small_resnet", 32, 16)
    network = build(architecture)
    dense, norm = network.get_layer("embedding"), network.get_layer("embedding_normalisation")
    dense.kernel.assign(dense.kernel * 0)
    norm.beta.assign(norm.beta + 1)
    checkpoint.save(tmp_path / "c", network, architecture, Preprocessing(32, Crop(0.25, "none")), {})
    assert main([*photos[:2], "-c", str(tmp_path / "c"), "--threshold", "1"]) == 1
    assert "all pictures the same embedding" in capsys.readouterr().err


def test_without_tensorflow_a_checkpoint_from_before_it_held_a_file_is_refused(
    checkpoints, photos, tmp_path, monkeypatch, capsys
):
    shutil.copytree(checkpoints["none"], tmp_path / "old")
    (tmp_path / "old" / "model.tflite").unlink()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "components.model.network", raising=False)
    monkeypatch.delitem(sys.modules, "components.embed.network", raising=False)
    flags = ["--threshold", "1"]
    assert main([*photos[:2], "-c", str(checkpoints["none"]), *flags]) == 0
    assert main([*photos[:2], "-c", str(tmp_path / "old"), *flags]) == 2
    assert "Give the .tflite file" in capsys.readouterr().err


def test_the_network_lies_here_or_in_a_run(model, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as without:
        without.setattr(published, "path_in_package", lambda file: None)
        assert main(photos[:2]) == 2
    assert "There is no network here" in capsys.readouterr().err
    export = Path("runs/20260101-000000-000/export/model")
    export.mkdir(parents=True)
    for place, record in (
        (export / "facenet-int8.tflite", "{"),  # of an export that does not say which is the best
        (export / "facenet-float16.tflite", '{"best": "facenet-float16.tflite"}'),
        (Path("facenet.tflite"), '{"best": "facenet-float16.tflite"}'),
    ):
        (export / "export.json").write_text(record)
        place.write_bytes(model.read_bytes())
        main(photos[:2])
        assert f"(from {place})" in capsys.readouterr().out


def test_the_newest_run_with_a_network_is_taken_and_named(model, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, started in (("20260101-000000-000", "2026-01-01"), ("compose", "2026-01-02"), ("20260103", "2026-01-03")):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        record = {"parameters": {"photos": f"of-{name}"}, "metrics": {"collect": {"train_identities": 1234}}}
        (run / "run.json").write_text(json.dumps({"started": f"{started}T12:34:56.789+00:00", **record}))
        if name != "20260103":  # it failed, or evaluated only
            (run / "export" / "model").mkdir(parents=True)
            (run / "export" / "model" / "facenet-int8.tflite").write_bytes(model.read_bytes())
    (tmp_path / "runs" / "latest").symlink_to("20260103")
    (tmp_path / "runs" / "by-hand").mkdir()
    (tmp_path / "runs" / "cache.sqlite").touch()
    main([*photos[:2], "--json"])
    said = capsys.readouterr()
    taken = "runs/compose/export/model/facenet-int8.tflite"
    assert json.loads(said.out)["model"]["path"] == taken
    about = f"{taken}, of the run of 2026-01-02 12:34 UTC, on the photos of-compose, trained on 1,234 people"
    assert said.err == f"The network: {about}, 1 newer run left none. -c takes another.\n"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["one.jpg"], 2, "1 photos"),
        (["one.jpg", "two.jpg", "--threshold", "3"], 2, "from 0 to 2"),
        (["one.jpg", "two.jpg", "--threshold", "1"], 1, "one.jpg: not-a-file"),
        (["one.jpg", "two.jpg", "--threshold", "1", "--landmarks", "x.dat"], 2, "Leave out --landmarks"),
        (["one.jpg", "two.jpg", "-c", "nowhere"], 2, "no checkpoint here"),
        (["one.jpg", "two.jpg", "-c", "nowhere.tflite"], 2, "no LiteRT model here"),
    ],
)
def test_wrong_use_is_said(model, flags, code, message, capsys):
    given = flags if "-c" in flags else [*flags, "-c", str(model)]
    assert main(given) == code
    assert message in capsys.readouterr().err


def test_the_package_is_a_command_for_each_of_its_commands(model, photos, capsys):
    assert commands(["verify", *photos[:1] * 2, "-c", str(model)]) == 0
    assert commands(["certify"]) == 2
    assert "{verify,enroll,index,identify,rehearse,cluster,watch,forget}" in capsys.readouterr().err

from __future__ import annotations

import json

import numpy as np
import pytest

from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing
from components.model import checkpoint
from components.model.checkpoint import load
from components.model.network import Architecture, build
from components.verify import threshold
from components.verify.__main__ import main
from components.verify.compare import pairwise

ARCHITECTURE = Architecture("small_resnet", 32, 16)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("run") / "mine-and-train" / "checkpoint"
    checkpoint.save(place, build(ARCHITECTURE), ARCHITECTURE, Preprocessing(32, Crop(0.25, "none")), {})
    return place


def report(place, sha256, value=0.9):
    place.mkdir(parents=True)
    record = {"threshold": value, "accuracy": {"mean": 0.95}, "checkpoint_sha256": sha256}
    (place / "metrics.json").write_text(json.dumps(record))
    return place


@pytest.fixture
def photos(sample_photos):
    return [str(photo) for photo in sorted(sample_photos.glob("*/*.jpg"))[:3]]


def test_distances_are_euclidean_and_of_every_pair():
    embeddings = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    pairs = list(pairwise(embeddings))
    assert [pair[:2] for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair[2] for pair in pairs] == pytest.approx([2**0.5, 2, 2**0.5])


def test_the_threshold_is_that_of_a_report_about_this_checkpoint_in_the_same_run(saved):
    run = saved.parent.parent
    report(run / "evaluate" / "another", "0" * 64, value=0.1)
    report(run / "evaluate" / "report", checkpoint.fingerprint(saved), value=0.77)
    found = threshold.beside(saved, checkpoint.fingerprint(saved))
    assert found.distance == 0.77
    assert "95.0%" in found.source


def test_a_report_about_another_network_or_none_is_refused(saved, tmp_path):
    place = report(tmp_path / "report", "0" * 64)
    with pytest.raises(UsageError, match="another network"):
        threshold.read(place, checkpoint.fingerprint(saved))
    with pytest.raises(UsageError, match="no evaluation report"):
        threshold.read(tmp_path, checkpoint.fingerprint(saved))


@pytest.mark.parametrize("flag", [[], ["-i"]])
def test_every_pair_of_photos_is_compared(saved, photos, flag, capsys):
    assert main([*flag, *photos, "-c", str(saved), "--threshold", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line.endswith("same") for line in lines[:3])
    assert main([*flag, photos[0], photos[0], "-c", str(saved), "--threshold", "0.001"]) == 0
    assert "0.000  same" in capsys.readouterr().out


def test_a_network_trained_on_aligned_faces_gets_aligned_faces(photos, tmp_path, capsys):
    aligned = tmp_path / "aligned"
    checkpoint.save(aligned, build(ARCHITECTURE), ARCHITECTURE, Preprocessing(32, Crop(0.25, "five-point")), {})
    assert main([*photos[:2], "-c", str(aligned), "--threshold", "2"]) == 0
    plain = tmp_path / "plain"
    checkpoint.save(plain, load(aligned).network, ARCHITECTURE, Preprocessing(32, Crop(0.25, "none")), {})
    assert main([*photos[:2], "-c", str(plain), "--threshold", "2"]) == 0
    first, second = (line.split()[2] for line in capsys.readouterr().out.splitlines() if line.endswith("  same"))
    assert first != second


def test_without_an_evaluation_it_says_what_to_do(saved, photos, tmp_path, capsys):
    alone = tmp_path / "deep" / "alone"
    checkpoint.save(alone, build(ARCHITECTURE), ARCHITECTURE, Preprocessing(32, Crop(0.25, "none")), {})
    assert main([*photos, "-c", str(alone)]) == 2
    assert "--report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["one.jpg"], 2, "1 photos"),
        (["one.jpg", "two.jpg", "--threshold", "3"], 2, "from 0 to 2"),
        (["one.jpg", "two.jpg", "--threshold", "1"], 1, "one.jpg: not-a-file"),
        (["one.jpg", "two.jpg", "--threshold", "1", "--landmarks", "x.dat"], 2, "Leave out --landmarks"),
        (["one.jpg", "two.jpg", "-c", "nowhere"], 2, "no checkpoint here"),
    ],
)
def test_wrong_use_is_said(saved, flags, code, message, capsys):
    given = flags if "-c" in flags else [*flags, "-c", str(saved)]
    assert main(given) == code
    assert message in capsys.readouterr().err

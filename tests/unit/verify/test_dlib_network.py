from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.common import published
from components.common.errors import UsageError
from components.common.preprocessing import pixels
from components.embed.network import check_apart, open_network
from components.sample.picture import portraits
from components.verify.dlib_network import open_dlib_network
from components.verify.verify import main

DLIB = Path("dlib")


@pytest.fixture(scope="module")
def network():
    return open_dlib_network()


def test_run_by_dlib_and_as_a_checkpoint_it_is_one_network(network):
    checkpoint = open_network(DLIB)
    images = np.stack([pixels(photo, 150) for photo in portraits(1, 0, 4)])
    np.testing.assert_allclose(network.embed(images, None), checkpoint.embed(images, None), atol=1e-5)
    for name in ("crop", "image_size", "embedding_size", "sha256"):
        assert getattr(network, name) == getattr(checkpoint, name)
    check_apart(DLIB, network)


def test_pictures_in_another_order_of_bytes_are_embedded_alike(network):
    images = np.stack([pixels(photo, 150) for photo in portraits(1, 1, 2)])
    np.testing.assert_array_equal(network.embed(np.asfortranarray(images), None), network.embed(images, None))


def test_where_nothing_was_trained_a_line_says_that_dlibs_is_taken(sample_photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one, other = (sorted(folder.iterdir())[0] for folder in sorted(sample_photos.glob("*/"))[:2])
    assert main([str(one), str(one), str(other), "--json"]) in (0, 3)
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert err.startswith("The network: dlib's for faces (no -c")
    assert answer["model"] == {"path": "dlib", "sha256": published.sha256(), "detector": "dlib"}
    assert answer["threshold"]["source"] == published.EVALUATED_ON
    assert answer["threshold"]["distance"] == {each["far"]: each["distance"] for each in published.THRESHOLDS}[0.01]
    assert answer["pairs"][0]["distance"] == 0


def test_another_detector_finds_what_dlibs_does_not_and_a_line_says_what_that_costs(sample_photos, tmp_path, capsys):
    with Image.open(sample_photos / "person-00000" / "00.jpg") as upright:
        upright.rotate(70, Image.Resampling.BICUBIC, True, fillcolor="gray").save(tmp_path / "turned.png")
    photos = [str(sample_photos / "person-00000" / "00.jpg"), str(tmp_path / "turned.png"), "-c", "dlib"]
    assert main(photos) == 1
    assert "no-face" in capsys.readouterr().err
    assert main([*photos, "--detector", "blazeface", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["model"]["detector"] == "blazeface"
    assert "found by blazeface" in err


def test_a_damaged_network_is_refused_by_name(tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.dat"
    damaged.write_bytes(published.file().read_bytes()[:1000])
    monkeypatch.setattr(published, "path_in_package", lambda name: damaged)
    with pytest.raises(UsageError, match=r"dlib cannot read its network for faces.*\n.*damaged\.dat"):
        open_dlib_network()

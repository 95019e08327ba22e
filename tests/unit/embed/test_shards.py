"""The embeddings of a dataset's parts are those of the dataset, to the bit."""

from __future__ import annotations

import pytest

from components.common.crops import crop_of
from components.common.manifest import EMBEDDINGS, order_shards, read
from components.common.preprocessing import Preprocessing
from components.embed import stage
from components.embed.__main__ import main
from components.model import checkpoint, network
from components.model.network import Architecture, build


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    architecture = Architecture("small_resnet", 32, 16)
    folder = tmp_path_factory.mktemp("network") / "checkpoint"
    checkpoint.save(folder, build(architecture), architecture, Preprocessing(32, crop_of(faces)), {})
    (folder / "model.tflite").unlink()  # so that TensorFlow runs it, where batches count
    return folder


def test_the_parts_together_are_the_whole_to_the_bit(dataset, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "BATCH_SIZE", 10)  # 96 faces: ten batches, the last one of six
    monkeypatch.setattr(network.Embedder.__init__, "__defaults__", (10,))
    flags = ["-i", str(dataset), "-c", str(trained)]
    assert main([*flags, "-o", str(tmp_path / "whole")]) == 0
    folders = [tmp_path / str(number) for number in (1, 2, 3)]
    for number, folder in enumerate(folders, start=1):
        assert main([*flags, "-o", str(folder), "--shard", f"{number}/3"]) == 0
    assert [read(folder, EMBEDDINGS).num_rows for folder in folders] == [30, 30, 36]
    assert read(order_shards(folders[::-1], EMBEDDINGS), EMBEDDINGS).equals(read(tmp_path / "whole", EMBEDDINGS))


def test_a_part_without_faces_is_empty(dataset, trained, tmp_path):
    flags = ["-i", str(dataset), "-c", str(trained), "-o", str(tmp_path / "e"), "--shard", "1/9"]
    assert main([*flags, "--html", str(tmp_path / "card.html"), "--markdown", str(tmp_path / "card.md")]) == 0
    assert read(tmp_path / "e", EMBEDDINGS).num_rows == 0


def test_no_part_of_a_whole_is_refused(dataset, trained, tmp_path, capsys):
    assert main(["-i", str(dataset), "-c", str(trained), "-o", str(tmp_path / "e"), "--shard", "4/3"]) == 2
    assert "--shard says which part of how many" in capsys.readouterr().err

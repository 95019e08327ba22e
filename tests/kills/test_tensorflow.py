"""The training, which leaves more than a result: its state and the checkpoints on its way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from components.mine_and_train import state
from components.mine_and_train.__main__ import main as mine_and_train

pytestmark = pytest.mark.kill

TINY = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", "16", "--batch_size", "16"]
TINY += ["--faces_per_identity", "4", "--identities_per_round", "6", "--max_batches", "1", "--validate_every", "1"]
TINY += ["--rounds", "2", "--save_every", "1", "--keep_every", "1"]


def weights(checkpoint: Path) -> dict[str, bytes] | None:
    """The variables of a checkpoint and its description; None when there is none."""
    if not checkpoint.exists():
        return None
    found = {}

    def note(name: str, what: h5py.Dataset | h5py.Group) -> None:
        if isinstance(what, h5py.Dataset):
            found[name] = np.asarray(what).tobytes()

    with h5py.File(checkpoint / "model.weights.h5") as file:
        file.visititems(note)
    told = json.loads((checkpoint / "facenet.json").read_text())
    found["kept"] = str(told["training"]["kept_round"]).encode()
    return found


def test_a_killed_training_goes_on_to_the_same_weights(kills, in_processes, tmp_path):
    dataset = in_processes / "collect" / "dataset"

    def words(seed: int) -> list[str]:
        return ["-i", str(dataset), "-c", str(kills.folder / "checkpoint"), *TINY, "--seed", str(seed)]

    kills.begin(None)
    kills.undisturbed(mine_and_train, words(1))
    shutil.rmtree(
        kills.folder / "checkpoint-training"
    )  # another training begins; the network of the former one is there
    former = weights(kills.folder / "checkpoint")
    kills.folder.rename(tmp_path / "start")
    kills.begin(None)
    kills.undisturbed(mine_and_train, words(2))
    new = {path.name: weights(path) for path in (kills.folder / "checkpoint", *kept(kills.folder))}
    assert len(new) == 4 and former != new["checkpoint"]

    def check() -> None:
        assert weights(kills.folder / "checkpoint") in (former, new["checkpoint"])
        for path in kept(kills.folder):
            assert weights(path)
        state.load(kills.folder / "checkpoint-training")
        kills.undisturbed(mine_and_train, words(2))
        assert {path.name: weights(path) for path in (kills.folder / "checkpoint", *kept(kills.folder))} == new
        assert len(pq.read_table(kills.folder / "checkpoint-training" / "history.parquet")) == 2

    kills.copied_at_every_point(tmp_path / "start", check, mine_and_train, words(2))


def kept(folder: Path) -> list[Path]:
    """The checkpoints that a training keeps on its way: the best, and those of rounds."""
    return sorted((folder / "checkpoint-training").glob("[br]*"))

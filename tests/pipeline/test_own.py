"""The recipe `own`, which photos get unless told otherwise: from a family to people enough to be trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.common import published
from components.litert.embedder import LiteRTEmbedder
from components.sample.__main__ import main as sample
from components.verify.model import open_model
from components.verify.settings import ModelSettings, ThresholdSettings
from components.verify.threshold import choose_threshold
from pipelines.run import main

pytestmark = pytest.mark.long


def run(folder: Path, people: int, *more: str) -> Path:
    """Runs on so many drawn people; the folder of the run."""
    assert sample(["--output", str(folder / "photos"), "--identities", str(people), "--photos", "4"]) == 0
    assert main(["-i", str(folder / "photos"), "--runs", str(folder / "runs"), *more]) == 0
    return (folder / "runs" / "latest").resolve()


def training(run: Path) -> tuple[dict[str, float], dict[str, object]]:
    """The numbers of the training, and what the checkpoint says of it."""
    numbers = json.loads((run / "mine-and-train" / "task.json").read_text())["metrics"]
    return numbers, json.loads((run / "mine-and-train" / "checkpoint" / "facenet.json").read_text())["training"]


def test_a_family_gets_dlibs_network_with_its_published_thresholds(tmp_path, capsys):
    done = run(tmp_path, 3)
    said = capsys.readouterr().out
    assert "3 people are too few to train on some of them" in said and "none: the network as it started" in said
    assert training(done)[1]["kept_round"] == 0
    file = done / "export" / "model" / "facenet-float32.tflite"
    distances = [each["distance"] for each in published.THRESHOLDS]
    assert [each.distance for each in LiteRTEmbedder(file).specification.thresholds] == pytest.approx(distances)
    assert "as it was published: nothing was trained here" in file.with_name("model-card.md").read_text()
    checkpoint = open_model(ModelSettings(done / "mine-and-train" / "checkpoint"))
    assert choose_threshold(ThresholdSettings(far=0.01), checkpoint).source == published.EVALUATED_ON


def test_the_better_of_before_and_after_is_kept_by_people_held_out(tmp_path, capsys):
    done = run(tmp_path, 45, "--set", "rounds=2", "--set", "mine-and-train.max_batches=4")
    said = capsys.readouterr().out
    numbers, told = training(done)
    assert numbers["validation_auc"] == max(numbers["start_auc"], numbers["trained_auc"])
    assert bool(told["kept_round"]) == (numbers["trained_auc"] > numbers["start_auc"])
    assert f"AUC {numbers['start_auc']:.4f} as it started, {numbers['trained_auc']:.4f} at best after training" in said
    assert {path.name for path in (done / "export" / "model").glob("*.tflite")} == {
        "facenet-float32.tflite",
        "facenet-int8.tflite",
    }

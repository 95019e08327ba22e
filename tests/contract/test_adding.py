"""CONTRIBUTING.md on adding a backbone, a loss and a number, followed in a copy: no other file is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

BACKBONE = """
import keras
from keras import layers
from components.model.backbones.convolution import Conv2D
from components.model.backbones.normalization import normalized


def build(image_size):
    images = layers.Input((image_size, image_size, 3))
    x = layers.ReLU()(normalized(Conv2D(8, 3, strides=2, use_bias=False)(images)))
    return keras.Model(images, layers.Flatten()(x))
"""
LOSS = """
import tensorflow as tf
from components.mine_and_train.losses.loss import StepMetrics, pairwise_distances, masked_mean, pair_masks, spread


def build(how):
    def loss(embeddings, labels, seed):
        distances = pairwise_distances(embeddings)
        same, different = pair_masks(labels)
        near, far = masked_mean(distances, same), masked_mean(distances, different)
        return StepMetrics(near - far, near, far, tf.constant(0.0), tf.constant(0.0), spread(embeddings))

    return loss
"""
TINY = ["--image_size", "32", "--embedding_size", "8", "--rounds", "1", "--max_batches", "2", "--batch_size", "16",
        "--faces_per_identity", "4"]  # fmt: skip


@pytest.fixture
def copy(tmp_path) -> Path:
    for folder in ("components", "pipelines"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pipeline.yaml", tmp_path)
    return tmp_path


def inserted(file: Path, before: str, line: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, line + before))


def said(copy: Path, module: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_backbone_and_a_loss_are_a_file_and_a_line_each(copy, dataset, faces):
    (copy / "components/model/backbones/tiny.py").write_text(BACKBONE)
    line = '    "tiny": ("components.model.backbones.tiny", 16),\n'
    inserted(copy / "components/model/backbones/__init__.py", '    "small_resnet": (', line)
    losses = copy / "components/mine_and_train/losses"
    (losses / "apart.py").write_text(LOSS)
    entry = '    "apart": Objective("components.mine_and_train.losses.apart", "apart", active="of nothing"),\n'
    inserted(losses / "__init__.py", '    "contrastive": Objective(', entry)
    stage = "components.mine_and_train"
    assert {"tiny", "apart"} <= set(said(copy, stage, "--help").replace("{", ",").replace("}", ",").split(","))
    given = ["-i", dataset, "--faces", faces, "-c", copy / "checkpoint"]
    new = ["--backbone", "tiny", "--loss", "apart"]
    assert "round 1/1: apart, 0.0% of nothing" in said(copy, stage, *given, *new, *TINY)
    written = said(copy, "components.embed", *given, "-o", copy / "embeddings")
    assert "embeddings of length 8" in written


def test_a_number_is_one_entry_that_report_list_and_comparison_show(copy, in_processes):
    found = 'lambda record: float(len(record["accuracy"]["folds"])), lambda _: "of the accuracy"'
    inserted(copy / "components/evaluate/numbers.py", '    Number("auc", ', f'    Number("folds", "Folds", {found}),\n')
    runs = copy / "runs"
    shutil.copytree(in_processes, runs / in_processes.name, symlinks=True)
    told = said(copy, "pipelines.cli", "rerun", "evaluate", "--run", in_processes.name, "--runs", runs)
    assert "Folds" in told
    (report,) = {
        path.parent.resolve() for path in runs.glob("*/evaluate/report/report.md") if "| Folds |" in path.read_text()
    }
    assert "Folds<strong>" in (report / "report.html").read_text()
    assert "Folds" in said(copy, "pipelines.cli", "runs", "--runs", runs).splitlines()[0]
    other = report.parents[1].name
    compared = said(copy, "pipelines.cli", "show", in_processes.name, "--with", other, "--runs", runs)
    assert "evaluate folds" in " ".join(compared.split())

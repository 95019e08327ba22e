"""CONTRIBUTING.md on adding a backbone, a loss, a number, a photo format and a stage, followed in a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import REPOSITORY

BACKBONE = """
import keras
from keras import layers
from components.model.backbones.convolution import Conv2D
from components.model.backbones.normalization import normalize


def build(image_size):
    images = layers.Input((image_size, image_size, 3))
    x = layers.ReLU()(normalize(Conv2D(8, 3, strides=2, use_bias=False)(images)))
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
# A stage between extract and collect, which hands on faces: the files of its folder; `__main__.py` is as evaluate's.
STAGE = {
    "__init__.py": "",
    "README.md": "# quality\n",
    "card.md": "# Quality\n\n{{ kept }} of {{ faces }} faces kept.\n",
    "card.html": """{% extends "frame.html" %}{% block title %}Quality{% endblock %}{% block content %}
<p>{{ kept }} of {{ faces }} faces kept.</p>
{% for name, picture in shown %}<figure><img src="{{ picture }}" alt="">{{ name }}</figure>{% endfor %}
{% endblock %}
""",
    "settings.py": '''
from dataclasses import dataclass
from components.common.flags import ExecutorInput, Html, Input, Markdown, Output, Pictures
from components.common.manifest import FACES, parts


@dataclass(frozen=True)
class Settings:
    """Leave out faces that the detector was not sure of."""

    input: Input
    output: Output
    least: float = 0.0
    """The least score of the detector."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    executor_input: ExecutorInput = ""

    def check(self) -> None:
        parts(self.input, FACES)
''',
    "stage.py": """
from pathlib import Path
import pyarrow.compute as pc
from components.common.executor import write_metrics
from components.common.manifest import FACES, about, parts, read, shard_of, write
from components.common.names import plain
from components.page.pictures import thumbnails
from components.page.templates import fill_card


def run(settings):
    faces = read(settings.input, FACES)
    kept = faces.filter(pc.greater_equal(faces["score"], settings.least))
    write(settings.output, FACES, kept, about(settings.input, FACES), shard_of(settings.input, FACES))
    shown = kept.slice(0, 40 if settings.pictures else 0).to_pylist()
    pictures = thumbnails(parts(settings.output, FACES), [one["face_id"] for one in shown])
    numbers = {"faces": len(faces), "kept": len(kept)}
    named = [(plain(one["identity"]), pictures[one["face_id"]]) for one in shown]
    fill_card(Path(__file__).parent, {**numbers, "shown": named}).write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, numbers)
    print(f"{len(kept)} of {len(faces)} faces kept in {settings.output}")
""",
    "component.py": """
from kfp import dsl
from components.quality.settings import Settings
from components.specification.component import component

reads = {"faces": (dsl.Artifact, "input")}
writes = {"kept": (dsl.Artifact, "output"), "card": (dsl.HTML, "html"), "metrics": (dsl.Metrics, "")}
quality = component("quality", Settings, reads=reads, writes=writes)
""",
}
WIRED = """            kept = _task(quality, faces=extracted.outputs["faces"], pictures=pictures)
            cluster.limit(kept, cpus=1, memory=2)
"""
SMALL_WORK = """    "quality": Work(
        "-i {run}/extract/faces", "--least 0", "--least 0.5", "quality/kept", megabytes=((10, 200), (100, 300))
    ),
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


@pytest.mark.long
def test_a_photo_format_is_one_entry(copy, sample_photos):
    photo = min(sample_photos.rglob("*.jpg"))
    (copy / "photos" / "Ada").mkdir(parents=True)
    with Image.open(photo) as picture:
        picture.save(copy / "photos" / "Ada" / "1.ppm")
    inserted(copy / "components/common/formats.py", '    Format("JPEG", ', '    Format("PPM", (".ppm",), rb"P6"),\n')
    assert "1 face" in said(copy, "components.extract", "-i", copy / "photos", "-o", copy / "faces")


def with_a_stage(copy: Path) -> None:
    """Adds `quality` to a copy of this repository: all that is written by hand, and the lock that `make lock` makes."""
    folder, wiring = copy / "components/quality", copy / "pipelines/facenet.py"
    folder.mkdir()
    for name, text in STAGE.items():
        (folder / name).write_text(text)
    (folder / "__main__.py").write_text(
        (copy / "components/evaluate/__main__.py").read_text().replace("evaluate", "quality")
    )
    shutil.copytree(copy / "docker/collect", copy / "docker/quality")
    inserted(copy / "components/specification/stages.py", '    "collect": ', '    "quality": "keep the sure faces",\n')
    inserted(copy / "pyproject.toml", 'collect = ["', 'quality = ["facenet[manifests,page]"]\n')
    inserted(copy / "pyproject.toml", "collect,mine-and-train", "quality,")
    inserted(wiring, "from components.specification", "from components.quality.component import quality\n")
    inserted(wiring, '        return dsl.Collected(extracted.outputs["faces"])', WIRED)
    wiring.write_text(
        wiring.read_text().replace('Collected(extracted.outputs["faces"]', 'Collected(kept.outputs["kept"]')
    )
    inserted(copy / "tests/stages.py", '    "collect": Work(', SMALL_WORK)
    inserted(copy / "README.md", "| collect | ", "| quality | keeps the sure faces | - |\n")
    inserted(copy / "docs/design.md", "      collect/           ", "      quality/           faces -> the sure ones\n")
    inserted(copy / "docs/design.md", "| collect | ", "| quality | `facenet quality -i FACES` | (faces) |\n")


@pytest.mark.long
def test_a_stage_is_a_folder_and_its_lines(copy, faces):
    for folder in ("docker", "docs", "tests"):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / file, copy)
    with_a_stage(copy)
    said(copy, "pipelines.cli", "compile")
    kept = copy / "kept"
    assert "faces kept in" in said(copy, "pipelines.cli", "quality", "-i", faces, "-o", kept, "--html", copy / "card")
    assert "identities in" in said(copy, "pipelines.cli", "collect", "-i", kept, "-o", copy / "dataset")
    contract = ["tests/contract/test_stages.py", "tests/contract/test_imports.py", "-k", "quality or stages or knows"]
    assert "passed" in said(copy, "pytest", "-q", "-p", "no:cacheprovider", *contract)

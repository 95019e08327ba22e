"""However many shards: the same faces, dataset, network, embeddings and report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.common import manifest
from components.common.manifest import DATASET, DROPPED, EMBEDDINGS, FACES, REJECTS
from tests.answers import checked_metrics
from tests.conftest import run_pipeline

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def runs(in_processes, sample_photos, tmp_path_factory) -> dict[int, Path]:
    """A run with one shard and one with two: that a middle one is right, the stages' own tests show."""
    folder = tmp_path_factory.mktemp("runs")
    run_pipeline(sample_photos, folder, "--set", "shards=2", "--set", "export=")
    return {1: in_processes, 2: folder / "latest"}


def joined(run: Path, pattern: str, kind: manifest.Manifest):
    return manifest.read(manifest.order_shards(sorted(run.glob(pattern)), kind), kind)


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("extract*/faces", FACES),
        ("extract*/rejects", REJECTS),
        ("collect/faces", FACES),
        ("collect/dropped", DROPPED),
        ("embed*/embeddings", EMBEDDINGS),
    ],
)
def test_what_the_shards_made_is_what_one_task_makes(runs, pattern, kind):
    assert joined(runs[2], pattern, kind).equals(joined(runs[1], pattern, kind))


def test_the_dataset_is_the_same_and_points_into_the_faces_of_all_shards(runs):
    one, two = (joined(runs[shards], "collect/dataset", DATASET) for shards in (1, 2))
    assert one.drop_columns(["part", "row"]).equals(two.drop_columns(["part", "row"]))
    assert set(two["part"].to_pylist()) == {0, 1}
    parts = [manifest.open_part(file).read(["face_id"])["face_id"].to_pylist()
             for file in manifest.parts(runs[2] / "collect/faces", FACES)]  # fmt: skip
    pointed = zip(two["part"].to_pylist(), two["row"].to_pylist(), strict=True)
    assert [parts[part][row] for part, row in pointed] == two["face_id"].to_pylist()


def test_the_network_and_its_evaluation_are_the_same(runs):
    one, two = (checked_metrics(runs[shards] / "evaluate/report") for shards in (1, 2))
    assert one == two
    weights = [runs[shards] / "mine-and-train/checkpoint/facenet.json" for shards in (1, 2)]
    assert weights[0].read_text() == weights[1].read_text()


def test_the_tasks_of_two_shards_are_recorded_one_by_one(runs):
    record = json.loads((runs[2] / "run.json").read_text())
    assert record["parameters"]["shards"] == ["1/2", "2/2"]
    for stage in ("extract", "embed"):
        tasks = [task for task in record["tasks"] if task.startswith(stage)]
        assert tasks == [f"{stage}-1", f"{stage}-2"]
    extracted = json.loads((runs[2] / "collect/task.json").read_text())["inputs"]["extracted"]
    assert [one["task"].rpartition("-")[2] for one in extracted] == ["1", "2"]
    (faces,) = json.loads((runs[2] / "embed-2/task.json").read_text())["inputs"]["faces"]
    assert faces["task"] == "collect"

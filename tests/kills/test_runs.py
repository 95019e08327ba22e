"""Runs, tasks that are run again, and the forgetting of a person in a runs folder."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from components.common import atomic
from components.common.crops import decode_crops, faces_of
from components.common.manifest import DATASET, read
from pipelines.cache.cache import Cache
from pipelines.cli import main as facenet
from pipelines.records.files import read_run, read_task
from tests.pipeline.conftest import Tiny
from tests.pipeline.test_forget import files, manifests, without


def records_are_whole(runs: Path) -> None:
    """Whatever reads records finds the former ones or the new ones."""
    for file in [*runs.glob("*/run.json"), *runs.glob("*/*/task.json")]:
        assert json.loads(file.read_text()), file
    assert not (runs / "latest").is_symlink() or read_run(runs, "latest")
    if (runs / "cache.sqlite").exists():
        with closing(sqlite3.connect(runs / "cache.sqlite")) as cache:
            assert cache.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def tiny(kills) -> Tiny:
    kills.begin(None)
    return Tiny(kills.folder, "process")


@pytest.mark.kill
@pytest.mark.parametrize("before", [None, "factor=2", "factor=3"], ids=["the first", "another", "the same again"])
def test_a_run_leaves_records_that_can_be_read_and_the_next_one_is_right(kills, tiny, tmp_path, before):
    words = ["run", *tiny.arguments("--set", "factor=3")]
    if before:
        assert tiny.run("--set", before) == 0
    kills.folder.rename(tmp_path / "start")

    def check() -> None:
        records_are_whole(tiny.runs)
        assert facenet(["runs", "--runs", str(tiny.runs)]) == 0 or not tiny.all_runs()
        kills.undisturbed(facenet, words)
        assert tiny.reported() == "<p>15" and set(tiny.states().values()) <= {"succeeded", "cached"}

    kills.at_every_point(tmp_path / "start", check, facenet, words)


@pytest.mark.kill
def test_a_task_run_again_leaves_records_that_can_be_read_and_the_next_one_is_right(kills, tiny, tmp_path):
    assert tiny.run("--set", "factor=2") == 0
    first = tiny.run_record()["id"]
    words = ["rerun", "count", "--and-after", "--set", "factor=3", "--run", first, "--runs", str(tiny.runs)]
    kills.folder.rename(tmp_path / "start")

    def check() -> None:
        records_are_whole(tiny.runs)
        kills.undisturbed(facenet, words)
        assert tiny.reported() == "<p>15" and tiny.states(first) == dict.fromkeys(tiny.states(first), "succeeded")

    kills.at_every_point(tmp_path / "start", check, facenet, words)


@pytest.mark.kill
def test_a_run_of_the_pipeline_from_the_cache(kills, in_processes, sample_photos, settings, tmp_path):
    """Of all its tasks, which the cache answers."""
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = ["run", "-i", str(sample_photos), "--runs", str(kills.folder), "--recipe", "full", *given]

    def check() -> None:
        records_are_whole(kills.folder)
        kills.undisturbed(facenet, words)
        latest = read_run(kills.folder, "latest")
        states = {task: read_task(kills.folder, latest.id, task).state for task in latest.tasks}
        assert states == dict.fromkeys(latest.tasks, "cached") | {"photos": "succeeded"}

    kills.at_every_point(in_processes.parent, check, facenet, words)


def forget_without_exchange(words: list[str]) -> int:
    atomic._exchanged = lambda one, other: False
    return facenet(words)


@pytest.mark.kill
@pytest.mark.parametrize("command", [facenet, forget_without_exchange], ids=["exchanged", "renamed"])
def test_forgetting_that_was_killed_goes_on_and_nobody_else_is_lost(kills, in_processes, tmp_path, command):
    runs = tmp_path / "start"
    shutil.copytree(in_processes.parent, runs, symlinks=True)
    run = runs / in_processes.name
    for large in [*run.rglob("*.h5"), *run.rglob("*.npz")]:  # copied for each kill, and not read
        os.truncate(large, 1000)
    (runs / "later" / "collect").mkdir(parents=True)
    (runs / "later" / "collect" / "dataset").symlink_to(f"../../{in_processes.name}/collect/dataset")
    places = manifests(run)
    before = {place: read(run / place, kind).to_pylist() for place, kind in places.items()}
    name = next(row["identity"] for row in before["collect/dataset"] if row["split"] == "test")
    theirs = [row for row in before["extract/faces"] if row["identity"] == name]
    known = [name.encode(), *(row["image"] for row in theirs), *(row["face_id"].encode() for row in theirs)]
    words = ["forget", name, "--runs", str(kills.folder)]
    run = kills.folder / in_processes.name

    def tables(place: str) -> list[dict]:
        return read(run / place, places[place]).to_pylist()

    def check() -> None:
        if command is facenet:
            for place in places:
                found = without("nobody", {"extract/faces": [], place: tables(place)})[place]
                assert found in [without(who, before)[place] for who in ("nobody", name)], place
        records_are_whole(kills.folder)
        was_done = done() and not (kills.folder / ".forgetting.json").exists()
        assert facenet(words) == (2 if was_done else 0)
        assert done()
        assert without("nobody", {place: tables(place) for place in places}) == without(name, before)
        rows = read(run / "collect" / "dataset", DATASET)
        assert len(decode_crops(rows, faces_of(run / "collect" / "dataset", ()), 32)) == len(rows)
        cache = Cache(kills.folder, lambda executor, names: "")
        assert all(cache.whole(read_task(kills.folder, run.name, task)) for task in ("extract", "collect", "evaluate"))

    def done() -> bool:
        return not [path for path, data in files(kills.folder).items() if any(one in data for one in known)]

    kills.at_every_point(runs, check, command, words)

"""A stage or the runner that is killed at any point leaves a whole result or none, and does not disturb the next one.

So many kills as the variable KILLS says, 20 by default. Of mine-and-train, test_resume.py has ten more, which resume.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from components.collect.__main__ import main as collect
from components.embed.__main__ import main as embed
from components.evaluate.__main__ import main as evaluate
from components.export.__main__ import main as export
from components.extract.__main__ import main as extract
from pipelines.run import main as run
from tests.pipeline.conftest import Tiny

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "0"))
# Processes that begin with everything imported: importing is no point to be killed at, and takes most of the time.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(
    ["components.extract.stage", "components.collect.collect", "components.evaluate.report", "pipelines.run",
     "components.embed.network", "components.litert.embedder", "matplotlib.pyplot"]
)  # fmt: skip


def killed(command, words: list[str], after: float) -> bool:
    """Whether a process that does a command still ran when it was killed."""
    process = FRESH.Process(target=command, args=(words,))
    process.start()
    process.join(after)
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


def content(folder: Path) -> dict[str, bytes] | None:
    """The manifests, numbers and models of a result; None when it is not there."""
    if not folder.exists():
        return None
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))} | {
        path.name: path.read_bytes() for pattern in ("metrics.json", "*.tflite") for path in folder.glob(pattern)
    }


@pytest.fixture
def few_photos(sample_photos, tmp_path) -> Path:
    shutil.copytree(sample_photos / "person-00000", tmp_path / "photos" / "person-00000")
    return tmp_path / "photos"


IN_TENSORFLOW = [pytest.param(stage, marks=pytest.mark.long) for stage in ("embed-network", "export")]


@pytest.mark.parametrize("stage", ["extract", "collect", "embed", "evaluate", *IN_TENSORFLOW])
def test_a_killed_stage_leaves_a_whole_result_or_none(stage, in_processes, few_photos, tmp_path):
    commands = {
        "extract": (extract, [few_photos, "--workers", "1"], ("--margin", "0.25", "0.5"), ["result", "result-rejects"]),
        "collect": (collect, [in_processes / "extract/faces"], ("--min_examples", "2", "1"),
                    ["result", "result-dropped"]),
        "embed": (embed, [in_processes / "collect/dataset", "-c", min(in_processes.glob("export/model/*.tflite"))],
                  ("--pictures", "true", "false"), ["result"]),
        "evaluate": (evaluate, [in_processes / "embed/embeddings"], ("--folds", "2", "3"), ["result"]),
        "embed-network": (embed, [in_processes / "collect/dataset", "-c", in_processes / "mine-and-train/checkpoint"],
                          ("--pictures", "true", "false"), ["result"]),
        "export": (export, [in_processes / "collect/dataset", "-c", in_processes / "mine-and-train/checkpoint",
                            "--variants", "int8"], ("--calibration", "20", "50"), ["result"]),
    }  # fmt: skip
    command, (given, *more), (flag, *values), names = commands[stage]
    chance = random.Random(f"{SEED} {stage}")

    def words(value: str, folder: Path) -> list[str]:
        return ["-i", str(given), *map(str, more), "-o", str(folder / "result"), flag, value]

    whole, seconds = {}, 0.0
    for value in values:
        started = time.monotonic()
        assert not killed(command, words(value, tmp_path / f"undisturbed-{value}"), 120)
        seconds = time.monotonic() - started
        whole[value] = [content(tmp_path / f"undisturbed-{value}" / name) for name in names]
        assert all(whole[value])
    for number in range(KILLS // 5):
        killed(command, words(values[number % 2], tmp_path / "killed"), chance.uniform(0, seconds))
        for position, name in enumerate(names):
            assert content(tmp_path / "killed" / name) in (None, *(each[position] for each in whole.values()))
    for value in values:
        assert not killed(command, words(value, tmp_path / "killed"), 120)
        assert [content(tmp_path / "killed" / name) for name in names] == whole[value]


def test_a_killed_runner_leaves_records_that_can_be_read_and_the_next_run_is_right(tmp_path):
    tiny = Tiny(tmp_path, "process")
    started = time.monotonic()
    assert not killed(run, tiny.arguments("--set", "factor=2"), 60)
    seconds = time.monotonic() - started
    assert tiny.reported() == "<p>10"
    chance = random.Random(SEED)
    for number in range(KILLS // 5):
        killed(run, tiny.arguments("--set", f"factor={number + 3}"), chance.uniform(0, seconds))
        for file in tiny.runs.glob("*/**/*.json"):
            assert json.loads(file.read_text()), file
        with closing(sqlite3.connect(tiny.runs / "cache.sqlite")) as cache:
            assert cache.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for number in range(KILLS // 5):
        assert tiny.run("--set", f"factor={number + 3}") == 0
        assert tiny.reported() == f"<p>{5 * (number + 3)}"
        assert set(tiny.states().values()) <= {"succeeded", "cached"}


def test_after_its_runner_was_killed_a_task_goes_on_from_what_it_left(tmp_path):
    tiny = Tiny(tmp_path, "process")
    with tiny.start(SLEEP="1") as process:
        while "asleep" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
    (sleeper,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(tiny.runs) in path.read_bytes().decode(errors="replace")
    ]
    os.kill(sleeper, signal.SIGKILL)
    assert tiny.states()["count"] == "running"
    assert tiny.run() == 0
    assert "going on with a part" in (tiny.runs / "latest" / "count" / "log.txt").read_text()
    assert tiny.reported() == "<p>15"

"""The same faces give the same dataset and pairs, however Python hashes and on however many threads."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from components.collect.__main__ import main as collect
from components.evaluate.__main__ import main as evaluate
from pipelines.local.processes import environment
from tests.pipeline.conftest import REPOSITORY

# Sets in another order, linear algebra in one piece, another language.
ELSEWHERE = {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C"}


def manifests(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_dataset_and_pairs_are_the_same_bytes_elsewhere(in_processes, tmp_path):
    for stage, main, source, result in (
        ("collect", collect, "extract/faces", "dataset"),
        ("evaluate", evaluate, "embed/embeddings", "report"),
    ):
        given, here, elsewhere = ["-i", str(in_processes / source), "-o"], tmp_path / "here", tmp_path / "elsewhere"
        assert main([*given, str(here / result)]) == 0
        command = [sys.executable, "-m", f"components.{stage}", *given, str(elsewhere / result)]
        subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **ELSEWHERE}, check=True, capture_output=True)
    made = manifests(here)
    assert made == manifests(elsewhere)
    assert made.keys() == {f"{place}/part-00000.parquet" for place in ("dataset", "dataset-dropped", "report/pairs")}


def test_a_tasks_share_of_the_processors_changes_no_number(in_processes, tmp_path):
    """Beside another task, as one of several shards, it has fewer than the run had."""
    run = ["-i", str(in_processes / "collect/dataset"), "-c", str(in_processes / "mine-and-train/checkpoint"), "-o"]
    subprocess.run(
        [sys.executable, "-m", "components.embed", *run, str(tmp_path / "embeddings")],
        env=environment(REPOSITORY, {}),
        preexec_fn=partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))}),
        check=True,
        capture_output=True,
    )
    assert manifests(tmp_path / "embeddings") == manifests(in_processes / "embed/embeddings")

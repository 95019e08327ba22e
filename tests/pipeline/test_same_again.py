"""The same faces give the same dataset and pairs, however Python hashes and on however many threads."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from pipelines.local.processes import environment
from tests.pipeline.conftest import REPOSITORY

# Sets in another order, linear algebra in other pieces, another language.
ELSEWHERE = (
    {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "LC_ALL": "C.UTF-8"},
)  # fmt: skip


def manifests(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_dataset_and_pairs_are_the_same_bytes_elsewhere(in_processes, tmp_path):
    made = []
    for number, settings in enumerate(ELSEWHERE):
        folder = tmp_path / str(number)
        for words in (
            ["components.collect", "-i", str(in_processes / "extract/faces"), "-o", str(folder / "dataset")],
            ["components.evaluate", "-i", str(in_processes / "embed/embeddings"), "-o", str(folder / "report")],
        ):
            command = [sys.executable, "-m", *words]
            subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **settings}, check=True, capture_output=True)
        made.append(manifests(folder))
    assert made[0] == made[1]
    assert made[0].keys() == {f"{place}/part-00000.parquet" for place in ("dataset", "dataset-dropped", "report/pairs")}


def test_a_tasks_share_of_the_processors_changes_no_number(in_processes, tmp_path):
    """Beside another task, as one of several shards, it has fewer."""
    run = ["-i", str(in_processes / "collect/dataset"), "-c", str(in_processes / "mine-and-train/checkpoint"), "-o"]
    everything, made = os.sched_getaffinity(0), []
    for cores in (everything, {min(everything)}):
        folder = tmp_path / str(len(made))
        subprocess.run(
            [sys.executable, "-m", "components.embed", *run, str(folder)],
            env=environment(REPOSITORY, {}),
            preexec_fn=partial(os.sched_setaffinity, 0, cores),
            check=True,
            capture_output=True,
        )
        made.append(manifests(folder))
    assert made[0] == made[1]

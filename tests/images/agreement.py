"""Whether two runs made the same artifact."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# How long something took is not the same twice.
TIME = re.compile(rb'in [0-9.]+ minutes, [0-9,]+ images a second|"milliseconds": [0-9.e-]+|[0-9.]+ ms\b')


def contents(artifact: Path) -> dict[str, Any]:
    """What is in the files of an artifact: the rows of manifests, the bytes of other files."""
    files = [path for path in (artifact, *artifact.rglob("*")) if path.is_file()]
    return {file.relative_to(artifact).as_posix(): _content(file) for file in files}


def _content(file: Path) -> bytes | pa.Table:
    # Beside its rows, a dataset says where its faces lie, which each runner decides for itself.
    return pq.read_table(file) if file.suffix == ".parquet" else TIME.sub(b"a while", file.read_bytes())


def agree(one: Path, other: Path) -> None:
    """Checks that two artifacts have the same files with the same content."""
    made, also_made = contents(one), contents(other)
    assert made, f"nothing in {one}"
    assert made.keys() == also_made.keys()
    different = [name for name, content in made.items() if content != also_made[name]]
    assert not different, f"{one} and {other} differ in {different}"


def agree_on_metrics(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Checks that two tasks reported the same numbers."""
    assert one.keys() == other.keys()
    assert {
        name: (one[name], other[name]) for name in one if "milliseconds" not in name and one[name] != other[name]
    } == {}

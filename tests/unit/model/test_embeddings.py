from __future__ import annotations

import numpy as np
import pyarrow as pa

from components.common import manifest
from components.common.manifest import EMBEDDINGS, read
from components.model import embeddings


def test_embeddings_are_written_part_by_part_so_that_no_list_overflows(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS_PER_PART", 3)
    added = []

    def add(self, rows, add=manifest.Writer.add):
        added.append(len(rows))
        add(self, rows)

    monkeypatch.setattr(manifest.Writer, "add", add)
    names = ("face_id", "identity", "split", "photo_path")
    rows = pa.table({name: [f"{name} {number}" for number in range(8)] for name in names})
    vectors = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    for count in (8, 0):
        embeddings.write_embeddings(tmp_path / "e", rows.slice(0, count), vectors[:count], "sha")
        found = read(tmp_path / "e", EMBEDDINGS)
        assert found.select(names).to_pylist() == rows.slice(0, count).to_pylist()
        assert found["embedding"].to_pylist() == vectors[:count].tolist()
        assert found["checkpoint_sha256"].to_pylist() == ["sha"] * count
    assert added == [3, 3, 2]

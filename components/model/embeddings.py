"""Embeddings as a manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.manifest import EMBEDDINGS, ROWS_PER_PART, writer
from components.common.shard import WHOLE, Shard


def write_embeddings(
    path: Path,
    rows: pa.Table,
    embeddings: npt.NDArray[np.float32],
    checkpoint_sha256: str,
    shard: Shard = WHOLE,
) -> None:
    """Writes the embeddings of some rows of a dataset.

    Args:
        path: the manifest's folder; a former one is replaced.
        rows: rows of a dataset manifest.
        embeddings: float32 [len(rows), embedding_size], unit length.
        checkpoint_sha256: names the network; see `checkpoint.fingerprint`.
        shard: which part of the dataset the rows are.
    """
    size = embeddings.shape[1]
    with writer(path, EMBEDDINGS, {"embedding_size": size}, shard) as manifest:
        # Part by part: an Arrow list counts its numbers in 32 bits, which 5.6 million faces of 384 overflow.
        for start in range(0, len(rows), ROWS_PER_PART):
            some, vectors = rows.slice(start, ROWS_PER_PART), embeddings[start : start + ROWS_PER_PART]
            offsets = np.arange(0, vectors.size + 1, size, dtype=np.int32)
            table = pa.table(
                {
                    **{name: some[name] for name in ("face_id", "identity", "split", "photo_path")},
                    "embedding": pa.ListArray.from_arrays(offsets, vectors.ravel()),
                    "checkpoint_sha256": pa.repeat(checkpoint_sha256, len(some)),
                },
                schema=EMBEDDINGS.schema,
            )
            manifest.add(table)

"""Embeddings as a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.batches import slices
from components.common.manifest import EMBEDDINGS, ROWS_PER_PART, Stored, writer
from components.common.shard import WHOLE, Shard

Vectors = npt.NDArray[np.float32]


def write_embeddings(
    path: Path,
    rows: pa.Table,
    embeddings: Vectors,
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
    write_pieces(path, [(rows, embeddings)], embeddings.shape[1], checkpoint_sha256, shard)


def write_pieces(
    path: Path,
    pieces: Iterable[tuple[pa.Table, Vectors]],
    size: int,
    checkpoint_sha256: str,
    shard: Shard = WHOLE,
) -> None:
    """Likewise, of rows that come some at a time, each with its embeddings; `size` is the length of one."""
    with writer(path, EMBEDDINGS, {"embedding_size": size}, shard) as manifest:
        for rows, embeddings in pieces:
            # Part by part: an Arrow list counts its numbers in 32 bits, which 5.6 million faces of 384 overflow.
            for part in slices(len(rows), ROWS_PER_PART):
                some, vectors = rows.slice(part.start, part.stop - part.start), embeddings[part]
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


class StoredVectors:
    """The embeddings of a manifest, read when they are asked for; see `Stored`."""

    def __init__(self, path: Path) -> None:
        self._rows = Stored(path, EMBEDDINGS, ["embedding"])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: npt.NDArray[np.integer]) -> Vectors:
        """Of rows, int of any shape: float32 [..., size]."""
        read = [chunk.flatten().to_numpy() for chunk in self._rows[rows.ravel()]["embedding"].chunks]
        return np.concatenate(read).reshape(*rows.shape, -1)

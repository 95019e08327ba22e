"""The nearest neighbours of some faces among all faces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]

_BLOCK = 1 << 13  # faces that are compared at once


def nearest(embeddings: npt.NDArray[np.float32], asked: Indices, count: int) -> tuple[Indices, Distances]:
    """The nearest other faces of some faces, nearest first.

    Args:
        embeddings: float32 [n, size], unit length.
        asked: int64 [m], the rows of the faces whose neighbours are wanted.
        count: how many neighbours of each; all other faces when there are fewer.

    Returns:
        int64 [m, count], their rows; float32 [m, count], their Euclidean distances, 0 to 2.
    """
    count = min(count, len(embeddings) - 1)
    rows, closeness = np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0), np.float32)
    for start in range(0, len(embeddings), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(embeddings)))
        cosines = embeddings[asked] @ embeddings[block].T
        cosines[asked[:, None] == block[None]] = -np.inf
        rows = np.concatenate([rows, np.broadcast_to(block, cosines.shape)], axis=1)
        closeness = np.concatenate([closeness, cosines], axis=1)
        if closeness.shape[1] > count:
            best = np.argpartition(-closeness, count, axis=1)[:, :count]
            rows, closeness = np.take_along_axis(rows, best, axis=1), np.take_along_axis(closeness, best, axis=1)
    order = np.argsort(-closeness, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, axis=1)
    # Not from the cosine: between near copies it cancels to noise.
    return rows, np.linalg.norm(embeddings[rows] - embeddings[asked][:, None], axis=2)

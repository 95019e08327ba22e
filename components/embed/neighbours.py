"""The nearest neighbours of some faces among all faces."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from components.common.batches import slices

Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]

_BLOCK = 1 << 13  # faces that are compared at once


class Embeddings(Protocol):
    """float32 [n, size], unit length: in memory, or read when they are asked for."""

    def __getitem__(self, rows: Indices, /) -> Distances:
        """Of rows, int64 of any shape: float32 [..., size]."""


def nearest(embeddings: Embeddings, among: Indices, asked: Indices, count: int) -> tuple[Indices, Distances]:
    """The nearest other faces of some faces, nearest first.

    Args:
        embeddings: of all faces.
        among: int64 [n], the rows of the faces that may be neighbours.
        asked: int64 [m], the rows of those whose neighbours are wanted.
        count: how many neighbours of each; all other faces when there are fewer.

    Returns:
        int64 [m, count], their rows; float32 [m, count], their Euclidean distances, 0 to 2.
    """
    count, vectors = min(count, len(among) - 1), embeddings[asked]
    rows, closeness = np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0), np.float32)
    for some in slices(len(among), _BLOCK):
        block = among[some]
        cosines = vectors @ embeddings[block].T
        cosines[asked[:, None] == block[None]] = -np.inf
        rows = np.concatenate([rows, np.broadcast_to(block, cosines.shape)], axis=1)
        closeness = np.concatenate([closeness, cosines], axis=1)
        if closeness.shape[1] > count:
            best = np.argpartition(-closeness, count, axis=1)[:, :count]
            rows, closeness = np.take_along_axis(rows, best, axis=1), np.take_along_axis(closeness, best, axis=1)
    order = np.argsort(-closeness, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, axis=1)
    # Not from the cosine: between near copies it cancels to noise.
    return rows, np.linalg.norm(embeddings[rows] - vectors[:, None], axis=2)

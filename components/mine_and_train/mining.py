"""Hard triplets among embeddings: found exactly, in bounded memory.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. It is hard when the negative is nearer to the anchor than the positive is, d(a,p)^2 > d(a,n)^2: it
violates what FaceNet asks for (section 3.1, eq. 1) even without a margin. Equal distances are not hard.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Distances = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Triplets = npt.NDArray[np.int32]

# Anchors looked at together: the mask of a chunk stays in the processor's cache.
_COMPARISONS_PER_CHUNK = 1 << 22


def squared_distances(embeddings: npt.NDArray[np.float32]) -> Distances:
    """Squared Euclidean distances between all rows.

    Args:
        embeddings: float32 [n, size], unit length.

    Returns:
        float32 [n, n], 0 to 4, symmetric.
    """
    # |a - b|^2 = 2 - 2ab for unit vectors: one matrix product. Rounding may leave a hair below zero.
    return np.maximum(2 - 2 * (embeddings @ embeddings.T), 0)


def hard_triplets(
    distances: Distances,
    labels: Labels,
    anchors: npt.NDArray[np.integer] | None = None,
    negatives: npt.NDArray[np.integer] | None = None,
) -> Triplets:
    """All hard triplets whose anchor and negative are among the given faces.

    Args:
        distances: float32 [n, n], squared.
        labels: int64 [n], the identity of each face.
        anchors: indices of the faces to take as anchors and as positives; all when None.
        negatives: indices of the faces to take as negatives; all when None.

    Returns:
        int32 [t, 3]: anchor, positive, negative; indices into `labels`, in lexicographic order of their places in
        `anchors` and `negatives`. An anchor without a violating negative is in none.
    """
    everyone = np.arange(len(labels))
    anchors = everyone if anchors is None else anchors
    negatives = everyone if negatives is None else negatives
    found = [np.empty((0, 3), np.int32)]
    for anchor, positive in _pairs(labels, anchors, chunk=max(1, _COMPARISONS_PER_CHUNK // max(1, len(negatives)))):
        hard = distances[anchor, positive][:, None] > distances[anchor[:, None], negatives]
        hard &= labels[anchor][:, None] != labels[negatives]
        pair, negative = np.nonzero(hard)
        found.append(np.column_stack([anchor[pair], positive[pair], negatives[negative]]).astype(np.int32))
    return np.concatenate(found)


def _pairs(
    labels: Labels, anchors: npt.NDArray[np.integer], chunk: int
) -> Iterator[tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]]:
    """All (anchor, positive) pairs among some faces, up to `chunk` at a time."""
    same = labels[anchors][:, None] == labels[anchors]
    np.fill_diagonal(same, False)  # a face is never its own positive
    anchor, positive = np.nonzero(same)
    for start in range(0, len(anchor), chunk):
        yield anchors[anchor[start : start + chunk]], anchors[positive[start : start + chunk]]


def count_hard_triplets(distances: Distances, labels: Labels) -> int:
    """How many hard triplets there are, without listing them.

    Args:
        distances: float32 [n, n], squared.
        labels: int64 [n].
    """
    total = 0
    for anchor, label in enumerate(labels):
        same = labels == label
        negatives = np.sort(distances[anchor, ~same])
        same[anchor] = False
        total += int(np.searchsorted(negatives, distances[anchor, same], side="left").sum())
    return total

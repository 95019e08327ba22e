"""The triplets that the network has most wrong, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class HardTriplet:
    """A triplet as a card shows it.

    Args:
        anchor: row of a face.
        positive: row of the face of the same identity that is farthest from it.
        negative: row of the face of another identity that is nearest to it.
        positive_distance: d(a,p)^2, 0 to 4.
        negative_distance: d(a,n)^2, likewise.
    """

    anchor: int
    positive: int
    negative: int
    positive_distance: float
    negative_distance: float


def hardest_triplets(
    embeddings: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], count: int
) -> list[HardTriplet]:
    """The triplets with the largest d(a,p)^2 - d(a,n)^2, each identity the anchor of one at most and no face twice.

    Args:
        embeddings: float32 [n, size], unit length; all n^2 distances are held at once.
        labels: int64 [n], their identities.
        count: how many at most.
    """
    distances = np.maximum(2 - 2 * embeddings @ embeddings.T, 0)
    same = labels[:, None] == labels[None]
    rows = np.arange(len(labels))
    positives = np.where(same & (rows[:, None] != rows[None]), distances, -1)
    negatives = np.where(same, 5, distances)
    farthest, nearest = positives.argmax(axis=1), negatives.argmin(axis=1)
    wrong = positives[rows, farthest] - negatives[rows, nearest]
    complete = (positives[rows, farthest] >= 0) & (negatives[rows, nearest] <= 4)
    found: list[HardTriplet] = []
    anchors: set[int] = set()
    shown: set[int] = set()
    for anchor in np.argsort(-wrong, kind="stable"):
        triplet = (int(anchor), int(farthest[anchor]), int(nearest[anchor]))
        if not complete[anchor] or int(labels[anchor]) in anchors or shown & set(triplet):
            continue
        found.append(
            HardTriplet(*triplet, float(positives[anchor, farthest[anchor]]), float(negatives[anchor, nearest[anchor]]))
        )
        anchors.add(int(labels[anchor]))
        shown |= set(triplet)
        if len(found) == count:
            break
    return found

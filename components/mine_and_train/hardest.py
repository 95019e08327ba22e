"""The hardest triplet of every face, and the hardest of all, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.common.cores import threads
from components.mine_and_train.triplets import Distances, Embeddings, Indices, Labels, by_identity

# Sides of the tiles in which negatives are looked for: a tile stays in the processor's cache.
_TILE_ROWS, _TILE_COLUMNS = 1024, 512


@dataclass(frozen=True)
class Hardest:
    """For each face its farthest positive and nearest negative.

    Args:
        positive: int64 [n]; -1 for the only face of an identity.
        positive_distance: float32 [n], squared; -1 for those.
        negative: int64 [n]; -1 when there is no other identity.
        negative_distance: float32 [n], squared; 5 for those.
    """

    positive: Indices
    positive_distance: Distances
    negative: Indices
    negative_distance: Distances


def hardest(embeddings: Embeddings, labels: Labels) -> Hardest:
    """Finds the farthest positive and the nearest negative of every face, tile by tile, in threads.

    Args:
        embeddings: float32 [n, size], unit length.
        labels: int64 [n].
    """
    order, starts = by_identity(labels)
    ordered = embeddings[order]
    count = len(labels)
    least = np.full(count, 2, np.float32)  # cosines
    positive = np.full(count, -1)
    for own in map(slice, starts[:-1].tolist(), starts[1:].tolist()):
        cosines = ordered[own] @ ordered[own].T
        np.fill_diagonal(cosines, 2)
        if len(cosines) > 1:
            least[own], positive[own] = cosines.min(axis=1), own.start + cosines.argmin(axis=1)
    with threads() as pool:
        tops = range(0, count, _TILE_ROWS)
        nearest = list(pool.map(lambda top: _nearest(ordered, starts, top, min(top + _TILE_ROWS, count)), tops))
    most, negative = (np.concatenate(parts) for parts in zip(*nearest, strict=True))
    back = np.empty(count, np.int64)
    back[order] = np.arange(count)
    positive, negative = (np.where(rows < 0, -1, order[rows])[back] for rows in (positive, negative))
    farthest = np.where(positive < 0, -1, np.maximum(2 - 2 * least[back], 0)).astype(np.float32)
    closest = np.where(negative < 0, 5, np.maximum(2 - 2 * most[back], 0)).astype(np.float32)
    return Hardest(positive, farthest, negative, closest)


def _nearest(ordered: Embeddings, starts: Indices, top: int, bottom: int) -> tuple[Distances, Indices]:
    """The largest cosine of some faces with one of another identity, and where that lies; -2 and -1 without one.

    Args:
        ordered: float32 [n, size], all embeddings, ordered by identity.
        starts: int64 [identities + 1], where each identity begins there, and the end.
        top: the first of the faces.
        bottom: after the last.
    """
    most, negative = np.full(bottom - top, -2, np.float32), np.full(bottom - top, -1)
    first, last = np.searchsorted(starts, [top, bottom - 1], side="right")
    own = list(zip(starts[first - 1 : last].tolist(), starts[first : last + 1].tolist(), strict=True))
    for left in range(0, len(ordered), _TILE_COLUMNS):
        tile = ordered[top:bottom] @ ordered[left : left + _TILE_COLUMNS].T
        if own[0][0] < left + _TILE_COLUMNS and left < own[-1][1]:
            for begin, end in own:  # none of its own faces is a negative
                tile[max(begin - top, 0) : max(end - top, 0), max(begin - left, 0) : max(end - left, 0)] = -2
        place = tile.argmax(axis=1)
        best = tile[np.arange(bottom - top), place]
        nearer = np.flatnonzero(best > most)
        most[nearer], negative[nearer] = best[nearer], left + place[nearer]
    return most, negative


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


def hardest_triplets(embeddings: Embeddings, labels: Labels, count: int) -> list[HardTriplet]:
    """The triplets with the largest d(a,p)^2 - d(a,n)^2, each identity the anchor of one at most and no face twice.

    Args:
        embeddings: float32 [n, size], unit length.
        labels: int64 [n], their identities.
        count: how many at most.
    """
    every = hardest(embeddings, labels)
    complete = (every.positive >= 0) & (every.negative >= 0)
    wrong = every.positive_distance - every.negative_distance
    triplets: list[HardTriplet] = []
    anchors: set[int] = set()
    shown: set[int] = set()
    for anchor in np.argsort(-wrong, kind="stable").tolist():
        faces = (anchor, int(every.positive[anchor]), int(every.negative[anchor]))
        if not complete[anchor] or int(labels[anchor]) in anchors or shown & set(faces):
            continue
        triplets.append(
            HardTriplet(*faces, float(every.positive_distance[anchor]), float(every.negative_distance[anchor]))
        )
        anchors.add(int(labels[anchor]))
        shown |= set(faces)
        if len(triplets) == count:
            break
    return triplets

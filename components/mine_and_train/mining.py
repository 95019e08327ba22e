"""Triplets among embeddings, by every usual strategy: found exactly, in bounded memory.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. Distances d are squared Euclidean distances between unit vectors, from 0 to 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]
Triplets = npt.NDArray[np.int32]
Faces = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

# Anchors whose distances are computed by one matrix product.
_ANCHORS_PER_CHUNK = 256
# Sides of the tiles in which the hardest negatives are looked for: a tile stays in the processor's cache.
_TILE_ROWS, _TILE_COLUMNS = 512, 1024


@dataclass(frozen=True)
class Strategy:
    """Which triplets to take.

    An anchor without a positive, and a pair of anchor and positive without such a negative, are in no triplet.

    Args:
        positives: of each anchor, "all" other faces of its identity; the "hard" one, farthest from it (Hermans et al.,
            2017, section 2); or the "easy" one, nearest to it. Of equally far ones the first.
        negatives: of each such pair, "hard": all with d(a,n) < d(a,p); "semi-hard": all with d(a,p) <= d(a,n) <
            d(a,p) + margin (FaceNet, section 3.2; equal distances are counted here, so that every negative is hard,
            semi-hard or easy); "random-violating": one, drawn from those with d(a,n) < d(a,p) + margin; "easy": all
            others; "all" of them.
        margin: of the triplet loss, in squared distance.
    """

    positives: Literal["all", "hard", "easy"] = "all"
    negatives: Literal["hard", "semi-hard", "random-violating", "easy", "all"] = "hard"
    margin: float = 0.2


@dataclass(frozen=True)
class Mined:
    """What mining found.

    Args:
        triplets: int32 [t, 3], anchor, positive, negative.
        found: how many the strategy yields; `triplets` are a fair sample of them when they are fewer.
    """

    triplets: Triplets
    found: int


@dataclass(frozen=True)
class _Pairs:
    """The pairs of anchor and positive of one identity; the negatives that each takes are a run of a list.

    Args:
        anchor: int32 [m], faces.
        positive: int32 [m], faces.
        start: int64 [m], where the run of each begins in `negatives`.
        count: int64 [m], its length.
        negatives: uint32 [], faces: for each anchor all negatives by distance.
    """

    anchor: Faces
    positive: Faces
    start: Indices
    count: Indices
    negatives: npt.NDArray[np.uint32]

    def write(self, triplets: Triplets, ranks: Indices | None = None) -> None:
        """Writes the triplets of these ranks, ascending, among those of all pairs in turn; all when None."""
        end = np.cumsum(self.count)
        count = self.count
        if ranks is None:
            ranks = np.arange(end[-1])
        else:
            count = np.diff(np.searchsorted(ranks, end), prepend=0)
        triplets[:, 0] = np.repeat(self.anchor, count)
        triplets[:, 1] = np.repeat(self.positive, count)
        triplets[:, 2] = self.negatives.take(ranks + np.repeat(self.start - (end - self.count), count))


def mine(
    embeddings: Embeddings, labels: Labels, strategy: Strategy, rng: np.random.Generator, limit: int | None = None
) -> Mined:
    """Finds the triplets of a strategy among all combinations.

    The negatives of an anchor are sorted by distance; those that a pair takes, by any strategy, are a run of them. So
    counting needs two searches a pair, and a fair sample of billions of triplets is drawn without listing them.

    Args:
        embeddings: float32 [n, size], unit length.
        labels: int64 [n], the identity of each.
        strategy: which triplets.
        rng: draws the random negatives, and the sample when there are more triplets than `limit`.
        limit: the most triplets to return; all when None. Each is equally likely to be among them.

    Returns:
        Triplets as indices into `labels`. Memory besides: a chunk of anchors' distances to all.
    """
    seed = int(rng.integers(2**63))  # the random negatives are drawn alike in both passes
    most = _most(labels) if limit is None else min(limit, _most(labels))
    # Columns side by side are written fastest. What is not written of so large an array takes no memory.
    triplets = np.empty((3, most), np.int32).T
    counts: list[int] = []
    found = 0
    for pairs in _pairs(embeddings, labels, strategy, seed):
        counts.append(int(pairs.count.sum()))
        if found + counts[-1] <= most:
            pairs.write(triplets[found : found + counts[-1]])
        found += counts[-1]
    if found > most:
        ranks = _distinct(found, most, rng)
        before, ends = np.cumsum([0, *counts]), np.searchsorted(ranks, np.cumsum([0, *counts]))
        for number, pairs in enumerate(_pairs(embeddings, labels, strategy, seed)):
            share = slice(ends[number], ends[number + 1])
            pairs.write(triplets[share], ranks[share] - before[number])
    return Mined(triplets[:found], found)


def _most(labels: Labels) -> int:
    """The number of triplets of all combinations."""
    faces = np.unique_counts(labels).counts
    return int(np.sum(faces * (faces - 1) * (len(labels) - faces)))


def _distinct(total: int, count: int, rng: np.random.Generator) -> Indices:
    """Draws `count` distinct numbers below `total`, ascending, in memory that does not grow with `total`."""
    if count > total // 2:
        return np.delete(np.arange(total), _distinct(total, total - count, rng))
    drawn = np.empty(0, np.int64)
    # Never more than are missing: a surplus would have to be drawn from again to stay fair.
    while len(drawn) < count:
        more = np.sort(rng.integers(total, size=count - len(drawn)))
        drawn = np.sort(np.concatenate([drawn, more]), kind="stable")  # merges two sorted runs
        drawn = drawn[np.diff(drawn, prepend=-1) > 0]
    return drawn


def _pairs(embeddings: Embeddings, labels: Labels, strategy: Strategy, seed: int) -> Iterator[_Pairs]:
    """The pairs of each identity with two faces or more, in the order of identities."""
    order, starts = _by_identity(labels)
    ordered = embeddings[order]
    with ThreadPoolExecutor() as pool:
        for first, last in _chunks(starts):
            above = starts[first]
            distances = np.maximum(2 - 2 * (ordered[above : starts[last]] @ ordered.T), 0)

            def pairs_of(identity: int, above: int = above, distances: Distances = distances) -> _Pairs:
                begin, end = starts[identity], starts[identity + 1]
                rng = np.random.default_rng([seed, identity])
                return _pairs_of(distances[begin - above : end - above], order, begin, end, strategy, rng)

            yield from pool.map(pairs_of, (one for one in range(first, last) if starts[one + 1] - starts[one] >= 2))


def _pairs_of(
    distances: Distances, order: Indices, begin: int, end: int, strategy: Strategy, rng: np.random.Generator
) -> _Pairs:
    """The pairs of the identity that has the places `begin` to `end` of `order`, given its distances to all places."""
    keys = _sorted_keys(
        np.concatenate([distances[:, :begin], distances[:, end:]], axis=1), np.concatenate([order[:begin], order[end:]])
    )
    within = distances[:, begin:end]
    positive = _positives(within, strategy.positives)
    reach = np.take_along_axis(within, positive, axis=1)
    others = keys.shape[1]
    nearer = _count_nearer(keys, reach)
    near = _count_nearer(keys, reach + np.float32(strategy.margin))
    start, stop = {
        "hard": (np.zeros_like(nearer), nearer),
        "semi-hard": (nearer, near),
        "random-violating": (np.zeros_like(near), near),
        "easy": (near, np.full_like(near, others)),
        "all": (np.zeros_like(near), np.full_like(near, others)),
    }[strategy.negatives]
    count = stop - start
    if strategy.negatives == "random-violating":
        start = rng.integers(np.maximum(count, 1))
        count = np.minimum(count, 1)
    own = order[begin:end].astype(np.int32)
    return _Pairs(
        anchor=np.repeat(own, positive.shape[1]),
        positive=own[positive.reshape(-1)],
        start=(start + others * np.arange(len(own))[:, None]).reshape(-1),
        count=count.reshape(-1),
        negatives=keys.astype(np.uint32).reshape(-1),
    )


def _sorted_keys(distances: Distances, faces: Indices) -> Keys:
    """uint64 [anchors, faces], ascending: a distance, as bits, above the face it leads to."""
    # The bits of floats that are not negative sort as the floats do; equally far faces are in the order of their index.
    keys = distances.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= faces.astype(np.uint64)
    keys.sort(axis=1)
    return keys


def _count_nearer(keys: Keys, distances: Distances) -> Indices:
    """How many keys of each row are of a smaller distance than each of the row's distances, [anchors, m]."""
    limits = np.ascontiguousarray(distances).view(np.uint32).astype(np.uint64) << np.uint64(32)
    return np.stack([np.searchsorted(row, limit) for row, limit in zip(keys, limits, strict=True)])


def _positives(within: Distances, positives: str) -> Indices:
    """int64 [m, k]: the positives of each face, among the distances of one identity's faces to each other."""
    own = np.arange(len(within))
    if positives == "all":  # a face is never its own positive
        return np.broadcast_to(own, within.shape)[own[:, None] != own].reshape(len(own), -1)
    others = within.copy()
    np.fill_diagonal(others, -1 if positives == "hard" else 5)
    return (others.argmax(axis=1) if positives == "hard" else others.argmin(axis=1))[:, None]


def _by_identity(labels: Labels) -> tuple[Indices, Indices]:
    """Faces ordered by identity, and where each identity's faces begin in that order, with the end after the last."""
    order = np.argsort(labels, kind="stable")
    changes = np.flatnonzero(np.diff(labels[order])) + 1
    return order, np.concatenate([[0], changes, [len(labels)]])


def _chunks(starts: Indices) -> Iterator[tuple[int, int]]:
    """Runs of identities with some `_ANCHORS_PER_CHUNK` faces together, at least one identity each."""
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _ANCHORS_PER_CHUNK, side="right")) - 1)
        yield first, last
        first = last


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
    """Finds the farthest positive and the nearest negative of every face, tile by tile.

    Args:
        embeddings: float32 [n, size], unit length.
        labels: int64 [n].
    """
    order, starts = _by_identity(labels)
    ordered = embeddings[order]
    count = len(labels)
    least, most = np.full(count, 2, np.float32), np.full(count, -2, np.float32)  # cosines
    positive, negative = np.full(count, -1), np.full(count, -1)
    for identity in range(len(starts) - 1):
        own = slice(starts[identity], starts[identity + 1])
        cosines = ordered[own] @ ordered[own].T
        np.fill_diagonal(cosines, 2)
        if len(cosines) > 1:
            least[own], positive[own] = cosines.min(axis=1), starts[identity] + cosines.argmin(axis=1)
    for top in range(0, count, _TILE_ROWS):
        bottom = min(top + _TILE_ROWS, count)
        first, last = np.searchsorted(starts, [top, bottom - 1], side="right") - 1
        for left in range(0, count, _TILE_COLUMNS):
            tile = ordered[top:bottom] @ ordered[left : left + _TILE_COLUMNS].T
            for identity in range(first, last + 1):  # none of its own faces is a negative
                begin, end = starts[identity], starts[identity + 1]
                tile[max(begin - top, 0) : max(end - top, 0), max(begin - left, 0) : max(end - left, 0)] = -2
            place = tile.argmax(axis=1)
            best = tile[np.arange(bottom - top), place]
            nearer = top + np.flatnonzero(best > most[top:bottom])
            most[nearer], negative[nearer] = best[nearer - top], left + place[nearer - top]
    back = np.empty(count, np.int64)
    back[order] = np.arange(count)
    positive, negative = (np.where(found < 0, -1, order[found])[back] for found in (positive, negative))
    farthest = np.where(positive < 0, -1, np.maximum(2 - 2 * least[back], 0)).astype(np.float32)
    nearest = np.where(negative < 0, 5, np.maximum(2 - 2 * most[back], 0)).astype(np.float32)
    return Hardest(positive, farthest, negative, nearest)

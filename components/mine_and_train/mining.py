"""Triplets among embeddings, by every usual strategy: found exactly, in bounded memory.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. Distances d are squared Euclidean distances between unit vectors, from 0 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]
Triplets = npt.NDArray[np.int32]
Faces = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Used = TypeVar("Used")

# Sorts behind every key.
_NOBODY = np.uint64(2**64 - 1)
# Anchors whose distances are computed by one matrix product.
_ANCHORS_PER_CHUNK = 256


@dataclass(frozen=True)
class Strategy:
    """Which triplets to take.

    An anchor without a positive, and a pair of anchor and positive without such a negative, are in no triplet.

    Args:
        positives: of each anchor, "all" other faces of its identity (FaceNet, section 3.2: "all anchor-positive
            pairs"); the "hard" one, farthest from it (likewise; Hermans et al., 2017, section 2); or the "easy" one,
            nearest to it (Xuan et al., 2020). Of equally far ones the first.
        negatives: of each such pair, "hard": all with d(a,n) < d(a,p) (FaceNet, section 3.2); "semi-hard": all with
            d(a,p) <= d(a,n) < d(a,p) + margin (likewise; equal distances are counted here, so that every negative is
            hard, semi-hard or easy); "random-violating": one, drawn from those with d(a,n) < d(a,p) + margin, which
            violate the constraint (FaceNet, section 3.1, eq. 1); "easy": all others; "all" of them.
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
        place: of the first anchor, among all faces ordered by identity.
        anchor: int32 [a], faces.
        positive: int32 [a, k], faces.
        start: int64 [a, k], where the run of each begins in `negatives`.
        count: int64 [a, k], its length.
        negatives: uint32 [], faces: for each anchor all negatives by distance.
    """

    place: int
    anchor: Faces
    positive: Faces
    start: Indices
    count: Indices
    negatives: npt.NDArray[np.uint32]

    def write(self, triplets: Triplets, ranks: Indices | None = None) -> None:
        """Writes the triplets of these ranks, ascending, among those of all pairs in turn; all when None."""
        count = self.count.reshape(-1)
        end = np.cumsum(count)
        first = self.start.reshape(-1) - (end - count)
        if ranks is None:
            ranks = np.arange(end[-1])
        else:
            count = np.diff(np.searchsorted(ranks, end), prepend=0)
        triplets[:, 0] = np.repeat(np.repeat(self.anchor, self.positive.shape[1]), count)
        triplets[:, 1] = np.repeat(self.positive.reshape(-1), count)
        triplets[:, 2] = self.negatives.take(ranks + np.repeat(first, count))


def mine(
    embeddings: Embeddings, labels: Labels, strategy: Strategy, rng: np.random.Generator, limit: int | None = None
) -> Mined:
    """Finds the triplets of a strategy among all combinations.

    The negatives of an anchor are sorted by distance; those that a pair takes, by any strategy, are a run of them. So
    counting needs two searches a pair, and a fair sample of billions of triplets is drawn without listing them: each
    anchor has its share of the sample, of distinct triplets drawn alike.

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
    counts = np.zeros(len(labels), np.int64)
    found = 0
    for pairs in _each(embeddings, labels, strategy, seed, lambda pairs: pairs):
        counts[pairs.place : pairs.place + len(pairs.anchor)] = pairs.count.sum(axis=1)
        before, found = found, found + int(pairs.count.sum())
        if found <= most:
            pairs.write(triplets[before:found])
    if found > most:
        ends = _shares(counts, most, int(rng.integers(found)))

        def write_share(pairs: _Pairs) -> None:
            anchors = slice(pairs.place, pairs.place + len(pairs.anchor))
            ranks = _ranks(counts[anchors], np.diff(ends[pairs.place : anchors.stop + 1]), [seed, pairs.place, 1])
            pairs.write(triplets[ends[anchors.start] : ends[anchors.stop]], ranks)

        for _ in _each(embeddings, labels, strategy, seed, write_share):
            pass
    return Mined(triplets[:found], found)


def _most(labels: Labels) -> int:
    """The number of triplets of all combinations."""
    faces = np.unique_counts(labels).counts
    return int(np.sum(faces * (faces - 1) * (len(labels) - faces)))


def _shares(counts: Indices, size: int, offset: int) -> Indices:
    """Shares a sample out among groups in proportion: int64 [groups + 1], where the share of each begins and ends.

    With an offset drawn below the total, each share is rounded up or down so that its mean is the exact one.
    """
    total = int(counts.sum())
    # In Python's integers: the products have more than 64 bits.
    return np.array([(size * before + offset) // total for before in accumulate(counts.tolist(), initial=0)])


def _ranks(counts: Indices, shares: Indices, seed: list[int]) -> Indices:
    """Of each group in turn, a share of its members: their ranks among all, ascending."""
    rng = np.random.default_rng(seed)
    drawn = [_drawn(count, share, rng) for count, share in zip(counts.tolist(), shares.tolist(), strict=True)]
    return np.concatenate([before + ranks for before, ranks in zip(np.cumsum(counts) - counts, drawn, strict=True)])


def _drawn(total: int, count: int, rng: np.random.Generator) -> Indices:
    """Draws `count` distinct numbers below `total`, ascending."""
    fewer = min(count, total - count)  # if more than half are drawn, those that are not
    marked = np.zeros(total, bool)
    # Never more than are missing: a surplus would have to be drawn from again to stay fair.
    while missing := fewer - np.count_nonzero(marked):
        marked[rng.integers(total, size=missing)] = True
    return np.flatnonzero(marked if fewer == count else ~marked)


def _each(
    embeddings: Embeddings, labels: Labels, strategy: Strategy, seed: int, use: Callable[[_Pairs], Used]
) -> Iterator[Used]:
    """What `use` makes, in several threads, of the pairs of each identity with two faces or more, in their order."""
    order, starts = by_identity(labels)
    ordered = embeddings[order]
    with ThreadPoolExecutor() as pool:
        for first, last in _chunks(starts):
            above = starts[first]
            distances = np.maximum(2 - 2 * (ordered[above : starts[last]] @ ordered.T), 0)

            def used(identity: int, above: int = above, distances: Distances = distances) -> Used:
                begin, end = starts[identity], starts[identity + 1]
                rng = np.random.default_rng([seed, identity])
                return use(_pairs_of(distances[begin - above : end - above], order, begin, end, strategy, rng))

            yield from pool.map(used, (one for one in range(first, last) if starts[one + 1] - starts[one] >= 2))


def _pairs_of(
    distances: Distances, order: Indices, begin: int, end: int, strategy: Strategy, rng: np.random.Generator
) -> _Pairs:
    """The pairs of the identity that has the places `begin` to `end` of `order`, given its distances to all places."""
    within = distances[:, begin:end]
    positive = _positives(within, strategy.positives)
    reach = np.take_along_axis(within, positive, axis=1)
    far = reach + np.float32(strategy.margin)
    keys = _sorted_keys(
        np.concatenate([distances[:, :begin], distances[:, end:]], axis=1),
        np.concatenate([order[:begin], order[end:]]),
        {"hard": reach, "semi-hard": far, "random-violating": far}.get(strategy.negatives),
    )
    others = keys.shape[1]
    nearer = _count_nearer(keys, reach)
    near = _count_nearer(keys, far)
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
        place=begin,
        anchor=own,
        positive=own[positive],
        start=start + others * np.arange(len(own))[:, None],
        count=count,
        negatives=keys.astype(np.uint32).reshape(-1),
    )


def _sorted_keys(distances: Distances, faces: Indices, limits: Distances | None) -> Keys:
    """uint64 [anchors, m], ascending: a distance, as bits, above the face it leads to.

    Of all faces, or of those nearer than a limit of the anchor, [anchors, k], and after them `_NOBODY`.
    """
    if limits is not None and limits.size:
        near = distances < limits.max(axis=1, keepdims=True)
        count = np.count_nonzero(near, axis=1)
        if 2 * count.max() < distances.shape[1]:  # else picking them costs more than it spares
            anchor, face = np.nonzero(near)
            keys = np.full((len(near), max(1, int(count.max()))), _NOBODY)
            place = np.arange(len(anchor)) - np.repeat(np.cumsum(count) - count, count)
            keys[anchor, place] = _keys(distances[anchor, face], faces[face])
            keys.sort(axis=1)
            return keys
    keys = _keys(distances, faces)
    keys.sort(axis=1)
    return keys


def _keys(distances: Distances, faces: Indices) -> Keys:
    # The bits of floats that are not negative sort as the floats do; equally far faces are in the order of their index.
    keys = distances.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= faces.astype(np.uint64)
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


def by_identity(labels: Labels) -> tuple[Indices, Indices]:
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

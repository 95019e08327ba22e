"""Pairs of anchor and positive, by every usual strategy, and the run of the sorted negatives that each takes.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. Distances d are squared Euclidean distances between unit vectors, from 0 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Strategy:
    """Which triplets to take.

    An anchor without a positive, and a pair of anchor and positive without such a negative, are in no triplet.
    """

    positives: Literal["all", "hard", "easy"] = "all"
    """Of each anchor, "all" other faces of its identity (FaceNet, section 3.2: "all anchor-positive pairs"); the
    "hard" one, farthest from it (likewise; Hermans et al., 2017, section 2); or the "easy" one, nearest to it (Xuan
    et al., 2020). Of equally far ones the first."""
    negatives: Literal["hard", "semi-hard", "random-violating", "easy", "all"] = "hard"
    """Of each such pair, "hard": all with d(a,n) < d(a,p) (FaceNet, section 3.2); "semi-hard": all with d(a,p) <=
    d(a,n) < d(a,p) + margin (likewise; equal distances are counted here, so that every negative is hard, semi-hard
    or easy); "random-violating": one, drawn from those with d(a,n) < d(a,p) + margin, which violate the constraint
    (FaceNet, section 3.1, eq. 1); "easy": all others; "all" of them."""
    margin: float = 0.2
    """Of the triplet loss, in squared distance."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of anchor and positive of a block of anchors that take negatives; those are a run of a list.

    Args:
        place: of the first anchor, among all faces ordered by identity.
        each: int64 [anchors], how many pairs each has.
        anchor: int32 [pairs], faces, in the order of their places.
        positive: int32 [pairs], faces.
        start: int64 [pairs], where the run of each begins in `negatives`.
        count: int64 [pairs], its length.
        negatives: int32 [], faces: for each anchor all negatives by distance.
    """

    place: int
    each: Indices
    anchor: Faces
    positive: Faces
    start: Indices
    count: Indices
    negatives: Faces

    @property
    def places(self) -> slice:
        """Those of the anchors."""
        return slice(self.place, self.place + len(self.each))

    @property
    def counts(self) -> Indices:
        """int64 [anchors], the triplets of each."""
        ends = np.concatenate([[0], np.cumsum(self.count)])[np.cumsum(self.each)]
        return np.diff(ends, prepend=0)

    def one_of_each(self, rng: np.random.Generator) -> Pairs:
        """The same pairs, each with one of its negatives."""
        return replace(self, start=self.start + rng.integers(self.count), count=np.ones_like(self.count))

    def write(self, triplets: Triplets, ranks: Indices | None = None) -> None:
        """Writes the triplets of these ranks, ascending, among those of all pairs in turn; all when None."""
        count = self.count
        if ranks is None:
            runs = zip(self.start.tolist(), count.tolist(), strict=True)
            np.concatenate([self.negatives[start : start + length] for start, length in runs], out=triplets[:, 2])
        else:
            end = np.cumsum(count)
            first = self.start - (end - count)
            count = np.diff(np.searchsorted(ranks, end), prepend=0)
            triplets[:, 2] = self.negatives.take(ranks + np.repeat(first, count))
        triplets[:, 0] = np.repeat(self.anchor, count)
        triplets[:, 1] = np.repeat(self.positive, count)


def pairs_of(ordered: Embeddings, order: Indices, starts: Indices, strategy: Strategy) -> Pairs:
    """The pairs of neighbouring identities.

    Args:
        ordered: float32 [n, size], all embeddings, ordered by identity.
        order: int64 [n], the faces they are of.
        starts: int64 [identities + 1], where each of them begins there, and where the last one ends.
        strategy: which pairs, and which negatives they take.
    """
    begin, end = starts[[0, -1]].tolist()
    distances = ordered[begin:end] @ ordered.T
    distances *= -2
    distances += 2
    np.maximum(distances, 0, out=distances)
    positives, reaches, counts = [], [], []
    for own in map(slice, starts[:-1].tolist(), starts[1:].tolist()):
        within = distances[own.start - begin : own.stop - begin, own]
        places = _positives(within, strategy.positives)
        positives.append((own.start + places).reshape(-1))
        reaches.append(np.take_along_axis(within, places, axis=1).reshape(-1))
        counts.append(places.shape[1])
        within[:] = np.inf  # sorts behind all negatives
    row = np.repeat(np.arange(end - begin), np.repeat(counts, np.diff(starts)))
    low, high = _limits(np.concatenate(reaches), strategy)
    keys, runs = _sorted_keys(distances, order, row, low, high)
    taken = np.flatnonzero(runs[0] < runs[1])
    return Pairs(
        place=begin,
        each=np.bincount(row[taken], minlength=end - begin),
        anchor=order[begin + row[taken]].astype(np.int32),
        positive=order[np.concatenate(positives)[taken]].astype(np.int32),
        start=runs[0, taken],
        count=runs[1, taken] - runs[0, taken],
        negatives=keys.astype(np.uint32).view(np.int32),
    )


def _positives(within: Distances, positives: str) -> Indices:
    """int64 [m, k]: the positives of each face, among the distances of one identity's faces to each other."""
    own = np.arange(len(within))
    if positives == "all" or len(own) < 2:
        return own[:-1] + (own[:-1] >= own[:, None])  # all but the face itself
    others = within.copy()
    np.fill_diagonal(others, -1 if positives == "hard" else 5)
    return (others.argmax(axis=1) if positives == "hard" else others.argmin(axis=1))[:, None]


def _limits(reach: Distances, strategy: Strategy) -> tuple[Distances, Distances]:
    """Each pair takes the negatives from the one distance to below the other, given how far its positive is."""
    zero, infinity = np.zeros_like(reach), np.full_like(reach, np.inf)
    far = reach + np.float32(strategy.margin)
    return {
        "hard": (zero, reach),
        "semi-hard": (reach, far),
        "random-violating": (zero, far),
        "easy": (far, infinity),
        "all": (zero, infinity),
    }[strategy.negatives]


def _sorted_keys(
    distances: Distances, order: Indices, row: Indices, low: Distances, high: Distances
) -> tuple[Keys, Indices]:
    """The negatives that are near enough for any pair of their anchor, by distance; and the run that each pair takes.

    Args:
        distances: float32 [anchors, n], infinite to those that are no negatives.
        order: int64 [n], the faces.
        row: int64 [pairs], their anchors, ascending.
        low: float32 [pairs], from which distance on a pair takes negatives.
        high: float32 [pairs], below which.

    Returns:
        uint64 [], for each anchor in turn: distances, as bits, above the faces they lead to. And int64 [2, pairs],
        where each run begins and ends there.
    """
    farthest = np.zeros(len(distances), np.float32)
    np.maximum.at(farthest, row, high)
    near = distances < farthest[:, None]
    count = np.count_nonzero(near, axis=1)
    face = np.flatnonzero(near)
    distances = distances.take(face)
    face -= np.repeat(np.arange(len(count)) * len(order), count)
    keys = _keys(distances, order[face])
    limits = _keys(np.stack([low, high]), np.zeros(1, np.int64))
    begins, pairs = np.concatenate([[0], np.cumsum(count)]), np.searchsorted(row, np.arange(len(count) + 1))
    runs = np.zeros((2, len(row)), np.int64)
    for anchor in np.flatnonzero(count).tolist():
        own, of_pairs = slice(*begins[anchor : anchor + 2]), slice(*pairs[anchor : anchor + 2])
        keys[own].sort()
        runs[:, of_pairs] = begins[anchor] + keys[own].searchsorted(limits[:, of_pairs])
    return keys, runs


def _keys(distances: Distances, faces: Indices) -> Keys:
    # The bits of floats that are not negative sort as the floats do; equally far faces are in the order of their index.
    keys = distances.view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= faces.astype(np.uint64)
    return keys


def by_identity(labels: Labels) -> tuple[Indices, Indices]:
    """Faces ordered by identity, and where each identity's faces begin in that order, with the end after the last."""
    order = np.argsort(labels, kind="stable")
    changes = np.flatnonzero(np.diff(labels[order])) + 1
    return order, np.concatenate([[0], changes, [len(labels)]])

"""Pairs of anchor and positive, by every usual strategy, and the run of the sorted negatives that each takes.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. Distances d are squared Euclidean distances between unit vectors, from 0 to 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError

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
    """The positives of an anchor: "all" other faces of its identity (FaceNet, section 3.2: "all anchor-positive
    pairs"); the "hard" one, farthest from it (likewise; Hermans et al., 2017, section 2); or the "easy" one,
    nearest to it (Xuan et al., 2020). Of equally far ones the first."""
    negatives: Literal["hard", "semi-hard", "random-violating", "easy", "all"] = "hard"
    """The negatives of each such pair: "hard", all with d(a,n) < d(a,p) (FaceNet, section 3.2); "semi-hard": all
    with d(a,p) <= d(a,n) < d(a,p) + margin (likewise; equal distances are counted here, so that every negative is
    hard, semi-hard or easy); "random-violating": one, drawn from those with d(a,n) < d(a,p) + margin, which
    violate the constraint (FaceNet, section 3.1, eq. 1); "easy": all others; "all" of them."""
    margin: float = 0.2
    """Margin of the triplet loss, in squared distance."""

    def check(self) -> None:
        """Raises UsageError for a negative margin."""
        if not self.margin >= 0:
            raise UsageError("--margin must not be negative.", received=self.margin)

    def bounds(self, positive: Any) -> tuple[Any, Any]:
        """The distances of the negatives that pairs take: from the first on, and below the second.

        The one rule of negatives, for mining in NumPy and for the loss inside a batch in TensorFlow.

        Args:
            positive: d(a,p)^2 of each pair, a float32 array or tensor.
        """
        beyond = positive + self.margin
        return {
            "hard": (0.0, positive),
            "semi-hard": (positive, beyond),
            "random-violating": (0.0, beyond),
            "easy": (beyond, math.inf),
            "all": (0.0, math.inf),
        }[self.negatives]


@dataclass(frozen=True)
class Runs:
    """Triplets that are not listed: pairs of anchor and positive, each of which takes a run of a list of negatives.

    The pairs of an anchor take overlapping runs of its negatives. So 18 million triplets of 1,250 faces are 1.5 million
    negatives and 30,000 pairs, where a list would be 55 million numbers.

    Args:
        anchor: int32 [pairs], faces, those of one anchor together.
        positive: int32 [pairs], faces.
        start: int64 [pairs], where the run of each begins in `negatives`.
        count: int64 [pairs], its length.
        negatives: int32 [], faces, those of one anchor together.
        owner: int32 [], the anchor that each of them is a negative of.
    """

    anchor: Faces
    positive: Faces
    start: Indices
    count: Indices
    negatives: Faces
    owner: Faces

    def __len__(self) -> int:
        """How many triplets there are."""
        return int(self.count.sum())

    def listed(self) -> Triplets:
        """All of them, pair after pair: int32 [t, 3], anchor, positive, negative."""
        every = self.apart(np.arange(len(self)))
        return np.stack([every.owner, np.repeat(every.positive, every.count), every.negatives], axis=1)

    def apart(self, ranks: Indices) -> Runs:
        """The triplets of these ranks, ascending, among those of all pairs in turn; their runs do not overlap."""
        end = np.cumsum(self.count)
        count = np.diff(np.searchsorted(ranks, end), prepend=0)
        place = ranks + np.repeat(self.start - (end - self.count), count)
        return replace(
            self,
            start=np.cumsum(count) - count,
            count=count,
            negatives=self.negatives.take(place),
            owner=np.repeat(self.anchor, count),
        )

    def one_of_each(self, rng: np.random.Generator) -> Runs:
        """The same pairs, each with one of its negatives, of which it has some."""
        return replace(self, start=self.start + rng.integers(self.count), count=np.ones_like(self.count))

    def smallest(self) -> Runs:
        """The same triplets, in a list of negatives that is not longer than they are many."""
        return self if len(self.negatives) <= len(self) else self.apart(np.arange(len(self)))


def joined(parts: Sequence[Runs]) -> Runs:
    """All triplets of the parts in turn."""
    before = accumulate((len(part.negatives) for part in parts), initial=0)
    moved = [replace(part, start=part.start + offset) for part, offset in zip(parts, before, strict=False)]
    names = [field.name for field in fields(Runs)]
    return Runs(**{name: np.concatenate([getattr(part, name) for part in moved]) for name in names})


@dataclass(frozen=True)
class Pairs:
    """What a block of anchors has.

    Args:
        place: of the first anchor, among all faces ordered by identity.
        each: int64 [anchors], how many pairs that take negatives each has.
        runs: those pairs, in the order of their anchors' places, and their negatives by distance.
    """

    place: int
    each: Indices
    runs: Runs

    @property
    def places(self) -> slice:
        """Those of the anchors."""
        return slice(self.place, self.place + len(self.each))

    @property
    def counts(self) -> Indices:
        """int64 [anchors], the triplets of each."""
        ends = np.concatenate([[0], np.cumsum(self.runs.count)])[np.cumsum(self.each)]
        return np.diff(ends, prepend=0)


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
    limits = np.empty((2, len(row)), np.float32)
    limits[0], limits[1] = strategy.bounds(np.concatenate(reaches))
    keys, near, runs = _sorted_keys(distances, order, row, limits)
    taken = np.flatnonzero(runs[0] < runs[1])
    anchors = order[begin:end].astype(np.int32)
    return Pairs(
        place=begin,
        each=np.bincount(row[taken], minlength=end - begin),
        runs=Runs(
            anchor=anchors[row[taken]],
            positive=order[np.concatenate(positives)[taken]].astype(np.int32),
            start=runs[0, taken],
            count=runs[1, taken] - runs[0, taken],
            negatives=keys.astype(np.uint32).view(np.int32),
            owner=np.repeat(anchors, near),
        ),
    )


def _positives(within: Distances, positives: str) -> Indices:
    """int64 [m, k]: the positives of each face, among the distances of one identity's faces to each other.

    `losses.online_triplet` says the same in TensorFlow.
    """
    own = np.arange(len(within))
    if positives == "all" or len(own) < 2:
        return own[:-1] + (own[:-1] >= own[:, None])  # all but the face itself
    others = within.copy()
    np.fill_diagonal(others, -1 if positives == "hard" else 5)
    return (others.argmax(axis=1) if positives == "hard" else others.argmin(axis=1))[:, None]


def _sorted_keys(
    distances: Distances, order: Indices, row: Indices, limits: Distances
) -> tuple[Keys, Indices, Indices]:
    """The negatives that are near enough for any pair of their anchor, by distance; and the run that each pair takes.

    Args:
        distances: float32 [anchors, n], infinite to those that are no negatives.
        order: int64 [n], the faces.
        row: int64 [pairs], their anchors, ascending.
        limits: float32 [2, pairs], from which distance on a pair takes negatives, and below which.

    Returns:
        uint64 [], for each anchor in turn: distances, as bits, above the faces they lead to. int64 [anchors], how many
        of these each has. And int64 [2, pairs], where each run begins and ends there.
    """
    farthest = np.zeros(len(distances), np.float32)
    np.maximum.at(farthest, row, limits[1])
    near = distances < farthest[:, None]
    count = np.count_nonzero(near, axis=1)
    face = np.flatnonzero(near)
    distances = distances.take(face)
    face -= np.repeat(np.arange(len(count)) * len(order), count)
    keys = _keys(distances, order[face])
    limit_keys = _keys(limits, np.zeros(1, np.int64))
    begins, pairs = np.concatenate([[0], np.cumsum(count)]), np.searchsorted(row, np.arange(len(count) + 1))
    runs = np.zeros((2, len(row)), np.int64)
    for anchor in np.flatnonzero(count).tolist():
        own, of_pairs = slice(*begins[anchor : anchor + 2]), slice(*pairs[anchor : anchor + 2])
        keys[own].sort()
        runs[:, of_pairs] = begins[anchor] + keys[own].searchsorted(limit_keys[:, of_pairs])
    return keys, count, runs


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

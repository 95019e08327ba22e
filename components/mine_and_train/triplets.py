"""Triplets that are not listed one by one, and the arrays that mining is about.

A triplet (anchor, positive, negative) has an anchor and a positive of one identity, two different faces, and a negative
of another identity. Distances d are squared Euclidean distances between unit vectors, from 0 to 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.float32]
Triplets = npt.NDArray[np.int32]
Faces = npt.NDArray[np.int32]


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

    def to_triplets(self) -> Triplets:
        """All of them, pair after pair: int32 [t, 3], anchor, positive, negative."""
        triplets = np.empty((len(self), 3), np.int32)
        triplets[:, 0], triplets[:, 1] = np.repeat(self.anchor, self.count), np.repeat(self.positive, self.count)
        # Copied run by run: with an index for each triplet, most of the time would be that index's memory.
        bounds = zip(self.start.tolist(), (self.start + self.count).tolist(), strict=True)
        np.concatenate([self.negatives[:0], *(self.negatives[slice(*run)] for run in bounds)], out=triplets[:, 2])
        return triplets

    def select(self, ranks: Indices) -> Runs:
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

    def draw_one_each(self, rng: np.random.Generator) -> Runs:
        """The same pairs, each with one of its negatives, of which it has some."""
        return replace(self, start=self.start + rng.integers(self.count), count=np.ones_like(self.count))

    def compact(self) -> Runs:
        """The same triplets, in a list of negatives that is not longer than they are many."""
        return self if len(self.negatives) <= len(self) else self.select(np.arange(len(self)))


def join(parts: Sequence[Runs]) -> Runs:
    """All triplets of the parts in turn."""
    before = accumulate((len(part.negatives) for part in parts), initial=0)
    moved = [replace(part, start=part.start + offset) for part, offset in zip(parts, before, strict=False)]
    names = [field.name for field in fields(Runs)]
    return Runs(**{name: np.concatenate([getattr(part, name) for part in moved]) for name in names})


def by_identity(labels: Labels) -> tuple[Indices, Indices]:
    """Faces ordered by identity, and where each identity's faces begin in that order, with the end after the last."""
    order = np.argsort(labels, kind="stable")
    changes = np.flatnonzero(np.diff(labels[order])) + 1
    return order, np.concatenate([[0], changes, [len(labels)]])

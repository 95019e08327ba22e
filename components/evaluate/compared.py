"""The compared pairs, measured some at a time: counted by distance, with a sample of them kept, and the worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluate.embeddings import Indices, pair_distances
from components.evaluate.metrics import STEPS, Counts, Curve, Distances, Flags, count, curve_of_counts
from components.evaluate.on_disk import Vectors
from components.evaluate.protocols import DrawnPairs, Faces, Pairs

# At most so many pairs of each kind are kept, at even distances.
MOST_PAIRS = 1_000_000
# Enough mistakes are kept to find so many of them in which no face is repeated.
SHOWN = 6


@dataclass(frozen=True)
class MeasuredPairs:
    """Pairs of one kind: int32 [p] first and second faces, and float64 [p] distances."""

    first: Faces
    second: Faces
    distances: Distances

    def __getitem__(self, which: Any) -> MeasuredPairs:
        return MeasuredPairs(self.first[which], self.second[which], self.distances[which])

    @classmethod
    def concatenate(cls, parts: Iterable[MeasuredPairs]) -> MeasuredPairs:
        """All parts, one after another."""
        columns = zip(*((part.first, part.second, part.distances) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


@dataclass(frozen=True)
class PairStatistics:
    """What is kept of the same-identity pairs, or of the different-identity pairs.

    Args:
        counts: int64 [STEPS], see `metrics.count`.
        faces: bool [faces], whether a face is in any of the pairs.
        sample: at most `MOST_PAIRS` of the pairs.
        mistakes: the pairs on the wrong side of the threshold, the worst first: as many as the report may need.
    """

    counts: Counts
    faces: Flags
    sample: MeasuredPairs
    mistakes: MeasuredPairs


@dataclass(frozen=True)
class Compared:
    """The compared pairs, of both kinds, and the threshold that says which of them are mistakes."""

    same: PairStatistics
    different: PairStatistics
    threshold: float

    @classmethod
    def of(cls, vectors: Vectors, pairs: Pairs | DrawnPairs, threshold: float) -> Compared:
        """Compares pairs of vectors, float32 [faces, size], in memory that does not grow with the pairs."""
        return cls(
            _statistics(vectors, pairs, True, threshold), _statistics(vectors, pairs, False, threshold), threshold
        )

    @property
    def curve(self) -> Curve:
        """How many pairs of each kind are accepted at every threshold."""
        return curve_of_counts(self.same.counts, self.different.counts)

    @property
    def faces(self) -> Indices:
        """int64 []: the faces of any pair, ascending."""
        return np.flatnonzero(self.same.faces | self.different.faces)


def _statistics(vectors: Vectors, pairs: Pairs | DrawnPairs, same: bool, threshold: float) -> PairStatistics:
    counts, faces = np.zeros(STEPS, np.int64), np.zeros(len(vectors), bool)
    total = pairs.same_count if same else len(pairs) - pairs.same_count
    every, passed = -(-total // MOST_PAIRS) or 1, 0
    none = MeasuredPairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
    sample, mistakes, limit = [none], none, threshold
    # A mistake that is shown rules out the other pairs of its two faces: of each, fewer than there are faces.
    enough = 2 * (SHOWN - 1) * len(vectors) + 1
    for some in _measure_ahead(vectors, pairs.of_kind(same)):
        count(counts, some.distances)
        if not faces.all():
            faces[some.first] = faces[some.second] = True
        sample.append(some[np.arange(-passed % every, len(some.first), every)])
        passed += len(some.first)
        mistakes = MeasuredPairs.concatenate(
            [mistakes, some[some.distances > limit if same else some.distances <= limit]]
        )
        if len(mistakes.distances) > 2 * enough:
            mistakes = _worst(mistakes, same, enough)
            limit = float(mistakes.distances[-1])
    return PairStatistics(counts, faces, MeasuredPairs.concatenate(sample), _worst(mistakes, same, enough))


def _measure_ahead(vectors: Vectors, pieces: Iterable[tuple[Faces, Faces]]) -> Iterator[MeasuredPairs]:
    """Pairs with their distances, some at a time; the next pairs are measured while the caller works on these."""

    def measure(first: Faces, second: Faces) -> MeasuredPairs:
        return MeasuredPairs(first, second, pair_distances(vectors, first, second))

    waiting: list[Future[MeasuredPairs]] = []
    with ThreadPoolExecutor(1) as ahead:
        for piece in pieces:
            waiting.append(ahead.submit(measure, *piece))
            if len(waiting) > 1:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def _worst(mistakes: MeasuredPairs, same: bool, most: int) -> MeasuredPairs:
    """The worst mistakes, at most so many: the worst first, and equally bad ones in their order."""
    return mistakes[np.argsort(-mistakes.distances if same else mistakes.distances, kind="stable")[:most]]

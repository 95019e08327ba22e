"""The compared pairs as they pass by, some at a time: counted by distance, a sample of them kept, and the worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluate.embeddings import Indices, pair_distances
from components.evaluate.metrics import STEPS, Counts, Curve, Distances, Flags, count, curve_of_counts
from components.evaluate.protocols import Faces, Pairs, Sample

# Of each kind at most so many pairs are kept, at even distances.
MOST_PAIRS = 1_000_000
# So many mistakes without a repeated face are found among those that are kept.
SHOWN = 6


@dataclass(frozen=True)
class Measured:
    """Pairs of one kind: int32 [p] first and second faces, and float64 [p] distances."""

    first: Faces
    second: Faces
    distances: Distances

    def __getitem__(self, which: Any) -> Measured:
        return Measured(self.first[which], self.second[which], self.distances[which])

    @classmethod
    def joined(cls, parts: Iterable[Measured]) -> Measured:
        """Some after the others."""
        columns = zip(*((part.first, part.second, part.distances) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


@dataclass(frozen=True)
class Kind:
    """What is kept of the same-identity pairs, or of the different-identity pairs.

    Args:
        counts: int64 [STEPS], see `metrics.count`.
        faces: bool [faces], which are in any pair.
        sample: at most `MOST_PAIRS` of them.
        mistakes: those on the wrong side of the threshold, the worst first: as many as the report may need.
    """

    counts: Counts
    faces: Flags
    sample: Measured
    mistakes: Measured


@dataclass(frozen=True)
class Compared:
    """The compared pairs, of both kinds, and the threshold that says which of them are mistakes."""

    same: Kind
    different: Kind
    threshold: float

    @classmethod
    def of(cls, vectors: npt.NDArray[np.float32], pairs: Pairs | Sample, threshold: float) -> Compared:
        """Compares pairs of vectors, float32 [faces, size], in memory that does not grow with the pairs."""
        return cls(_kind(vectors, pairs, True, threshold), _kind(vectors, pairs, False, threshold), threshold)

    @property
    def curve(self) -> Curve:
        """What is accepted at every threshold."""
        return curve_of_counts(self.same.counts, self.different.counts)

    @property
    def faces(self) -> Indices:
        """int64 []: the faces of any pair, ascending."""
        return np.flatnonzero(self.same.faces | self.different.faces)


def _kind(vectors: npt.NDArray[np.float32], pairs: Pairs | Sample, same: bool, threshold: float) -> Kind:
    counts, faces = np.zeros(STEPS, np.int64), np.zeros(len(vectors), bool)
    total = pairs.same_count if same else len(pairs) - pairs.same_count
    every, passed = -(-total // MOST_PAIRS) or 1, 0
    none = Measured(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
    sample, mistakes, limit = [none], none, threshold
    # A shown mistake rules out the other pairs of its two faces, fewer than two of each face that there is.
    enough = 2 * (SHOWN - 1) * len(vectors) + 1
    for some in _measured(vectors, pairs.of_kind(same)):
        count(counts, some.distances)
        if not faces.all():
            faces[some.first] = faces[some.second] = True
        sample.append(some[np.arange(-passed % every, len(some.first), every)])
        passed += len(some.first)
        mistakes = Measured.joined([mistakes, some[some.distances > limit if same else some.distances <= limit]])
        if len(mistakes.distances) > 2 * enough:
            mistakes = _worst(mistakes, same, enough)
            limit = float(mistakes.distances[-1])
    return Kind(counts, faces, Measured.joined(sample), _worst(mistakes, same, enough))


def _measured(vectors: npt.NDArray[np.float32], pieces: Iterable[tuple[Faces, Faces]]) -> Iterator[Measured]:
    """Pairs with their distances, some at a time; the next ones are measured while these are worked on."""

    def measured(first: Faces, second: Faces) -> Measured:
        return Measured(first, second, pair_distances(vectors, first, second))

    waiting: list[Future[Measured]] = []
    with ThreadPoolExecutor(1) as ahead:
        for piece in pieces:
            waiting.append(ahead.submit(measured, *piece))
            if len(waiting) > 1:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def _worst(mistakes: Measured, same: bool, most: int) -> Measured:
    """At most so many mistakes, the worst first, and those that are equally bad in their order."""
    return mistakes[np.argsort(-mistakes.distances if same else mistakes.distances, kind="stable")[:most]]

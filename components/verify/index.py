"""The references nearest to a face: exactly those, found without reading most of their numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float64]

# Shortening takes as long as some seventy searches then save, so that of a few photos does without.
_SHORTENED_AT = 64
# Of the references' squared length, to be kept by a multiple of so many numbers and at most half of all.
_KEPT = 0.98
_MULTIPLE = 16
_SAMPLE = 16_384
_ROWS_AT_A_TIME = 16_384
# Sums of products in float32: twice what rounding to nearest can add up to for each number (Higham, 2002, 3.1).
_ROUNDING = 2.0**-23


@dataclass(frozen=True)
class _Short:
    """References in other coordinates, of which the first tell most.

    Args:
        axes: float64 [size, kept], orthonormal.
        head: float32 [rows, kept], the references' coordinates along the axes.
        rest: float32 [rows], the length of what the axes leave of each.
    """

    axes: npt.NDArray[np.float64]
    head: Embeddings
    rest: npt.NDArray[np.float32]

    def bounds(self, query: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """What no inner product exceeds but by rounding: float32 [rows]; by Cauchy and Schwarz for what is left."""
        head = query @ self.axes
        rest = max(float(query @ query - head @ head), 0) ** 0.5
        bounds: npt.NDArray[np.float32] = self.head @ head.astype(np.float32)
        bounds += self.rest * np.float32(rest)
        return bounds


def _shorten(references: Embeddings) -> _Short | None:
    """The references along the axes that tell most of them; None where no half of all axes tells enough."""
    rows, size = references.shape
    sample = references[:: -(-rows // _SAMPLE)].astype(np.float64)
    told, axes = np.linalg.eigh(sample.T @ sample)
    share = np.cumsum(told[::-1]) / told.sum()
    kept = -(-(int(np.searchsorted(share, _KEPT)) + 1) // _MULTIPLE) * _MULTIPLE
    if kept > size // 2:
        return None
    axes = axes[:, : -kept - 1 : -1]
    head, rest = np.empty((rows, kept), np.float32), np.empty(rows, np.float32)
    for begin in range(0, rows, _ROWS_AT_A_TIME):
        block = slice(begin, begin + _ROWS_AT_A_TIME)
        exact = references[block].astype(np.float64)
        along = exact @ axes
        head[block] = along
        rest[block] = np.sqrt(np.maximum(np.einsum("nd,nd->n", exact, exact) - np.einsum("nd,nd->n", along, along), 0))
    return _Short(axes, head, rest)


class Index:
    """References to search.

    A search first bounds the inner product with each reference from above, and then computes it only where the bound
    reaches the best ones. At first the bound is the product in float32, and what it may be wrong by. After some
    searches the references are turned into the axes of their principal components (uncentred), and the product is
    bounded by the first of them and the length of the rest. Embeddings of faces lie near a part of their space: of 128
    numbers of dlib's network 48 are then read. Where they do not, the references stay as they are.

    Args:
        references: float32 [rows, size], at least one, of length 1 or nearly so. They must not change.
    """

    def __init__(self, references: Embeddings) -> None:
        self._references = references
        self._searches = 0
        self._short: _Short | None = None

    def nearest(self, query: Embeddings, top: int) -> tuple[Rows, Similarities]:
        """The references with the largest inner products with a query, the largest first; of equal ones the first.

        Args:
            query: float32 [size], length 1.
            top: how many at most; at least 1.

        Returns:
            int64 [n], their rows, and float64 [n], the inner products, summed in float64.
        """
        self._searches += 1
        if self._searches == _SHORTENED_AT:
            self._short = _shorten(self._references)
        exact, top = query.astype(np.float64), min(top, len(self._references))
        rows = None if self._short is None else self._reaching(self._short.bounds(exact), exact, top)
        if rows is None or len(rows) > len(self._references) // 16:  # reading all in order is faster then
            rows = self._reaching(self._references @ query, exact, top)
        similarities = self._similarities(rows, exact)
        order = np.argsort(-similarities, kind="stable")[:top]
        return rows[order], similarities[order]

    def _reaching(self, bounds: npt.NDArray[np.float32], query: npt.NDArray[np.float64], top: int) -> Rows:
        """The rows that may be among the best.

        The best bounds of stretches of rows lead to a few rows that are there to be reached: sorting out the best of
        all rows would take longer.
        """
        stretch = max(len(bounds) // (1024 + top), 1)
        stretches = bounds[: len(bounds) // stretch * stretch].reshape(-1, stretch)
        best = stretches.argmax(1) + stretch * np.arange(len(stretches))
        best = best[np.argpartition(-bounds[best], top - 1)[:top]]
        floor = float(self._similarities(best, query).min()) - (len(query) + 8) * _ROUNDING
        return np.flatnonzero(~(bounds < floor))  # a query that is no number is below nothing

    def _similarities(self, rows: Rows, query: npt.NDArray[np.float64]) -> Similarities:
        """Inner products, float64 [rows]: each the same whichever rows are beside it, which a matrix product is not."""
        similarities = np.empty(len(rows))
        for begin in range(0, len(rows), _ROWS_AT_A_TIME):
            block = slice(begin, begin + _ROWS_AT_A_TIME)
            similarities[block] = np.einsum("nd,d->n", self._references[rows[block]].astype(np.float64), query)
        return similarities

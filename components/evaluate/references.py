"""What a gallery keeps of a person's enrolled faces: the three rules by which several faces give one score.

Everything is rounded so finely that no network's embeddings notice, and so coarsely that float64 holds the inner
product of a probe and a reference without rounding: entries are multiples of 2^-24 and of 2^-27, so products are
multiples of 2^-51, and vectors no longer than 1 have no sum of products above 1. So the order of summing, and with it
the size of blocks, the threads and the matrix library, make no difference, and copies of a face are equally near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from components.common.batches import slices
from components.common.directions import directions
from components.evaluate.embeddings import Indices
from components.evaluate.on_disk import Array, Vectors, empty_like

Kept = npt.NDArray[np.float32] | npt.NDArray[np.float64]

Rule = Literal["nearest", "mean embedding", "mean score"]
RULES: tuple[Rule, ...] = get_args(Rule)

_FACE_STEP, _REFERENCE_STEP = 2.0**-24, 2.0**-27
_AT_ONCE = 1 << 14  # faces


@overload
def on_grid(vectors: Array) -> Array: ...


@overload
def on_grid(vectors: Vectors) -> Vectors: ...


def on_grid(vectors: Vectors) -> Vectors:
    """Embeddings, float32 [faces, size], at exactly unit length but for rounding to multiples of 2^-24."""
    grid = empty_like(vectors)
    for some in slices(len(vectors), _AT_ONCE):
        exact = vectors[some].astype(np.float64)
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        grid[some] = _rounded(exact, _FACE_STEP).astype(np.float32)  # which holds 24 bits: nothing is lost
    return grid


@dataclass(frozen=True)
class References:
    """What a gallery keeps of everybody, made for those people who are asked for.

    Args:
        grid: float32 [faces, size], of `on_grid`.
        enrolled: int64 [people, faces of each].
        rule: how several faces become one score.
    """

    grid: Vectors
    enrolled: Indices
    rule: Rule

    def __len__(self) -> int:
        return len(self.enrolled)

    def __getitem__(self, people: slice | Indices) -> Kept:
        """Those of some people, by a slice or by their numbers: see `references`."""
        return references(self.grid[self.enrolled[people]], self.rule)


def references(faces: npt.NDArray[np.float32], rule: Rule) -> Kept:
    """What a probe is multiplied with to give its similarities (-1 to 1); a person's score is the largest of them.

    "nearest" keeps all faces. "mean embedding" keeps their mean, scaled to unit length. "mean score" keeps their mean
    as it is, since its inner product with a probe is the mean of the faces' inner products.

    Args:
        faces: [people, enrolled, size], of `on_grid`.
        rule: how several faces become one score.

    Returns:
        [people, references of each, size]: float32 faces, or float64 means.
    """
    if rule == "nearest" or faces.shape[1] == 1:
        return faces
    mean = faces.mean(axis=1, keepdims=True, dtype=np.float64)
    if rule == "mean embedding":
        mean = directions(mean)
    return _rounded(mean, _REFERENCE_STEP)


def _rounded(vectors: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.float64]:
    rounded: npt.NDArray[np.float64] = np.rint(vectors / step) * step
    return rounded

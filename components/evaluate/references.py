"""What a gallery keeps of a person's enrolled faces: the three rules by which several faces give one score.

Everything is rounded so finely that no network's embeddings notice, and so coarsely that float64 holds the inner
product of a probe and a reference without rounding: entries are multiples of 2^-24 and of 2^-27, so products are
multiples of 2^-51, and vectors no longer than 1 have no sum of products above 1. So the order of summing, and with it
the size of blocks, the threads and the matrix library, make no difference, and copies of a face are equally near.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from components.common.directions import directions

Vectors = npt.NDArray[np.float32] | npt.NDArray[np.float64]

Rule = Literal["nearest", "mean embedding", "mean score"]
RULES: tuple[Rule, ...] = get_args(Rule)

_FACE_STEP, _REFERENCE_STEP = 2.0**-24, 2.0**-27
_AT_ONCE = 1 << 14  # faces


def on_grid(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Embeddings, float32 [faces, size], at exactly unit length but for rounding to multiples of 2^-24."""
    grid = np.empty(vectors.shape, np.float32)
    for begin in range(0, len(vectors), _AT_ONCE):
        exact = vectors[begin : begin + _AT_ONCE].astype(np.float64)
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        grid[begin : begin + _AT_ONCE] = _rounded(exact, _FACE_STEP)  # float32 holds 24 bits: nothing is lost
    return grid


def references(faces: npt.NDArray[np.float32], rule: Rule) -> Vectors:
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

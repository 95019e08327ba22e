"""Distances between faces, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt


def pairwise(embeddings: npt.NDArray[np.float32]) -> Iterator[tuple[int, int, float]]:
    """Every pair of rows with their Euclidean distance.

    Args:
        embeddings: float32 [n, size], unit length.

    Yields:
        Two row numbers, the first smaller, and a distance from 0 to 2.
    """
    for one, other in combinations(range(len(embeddings)), 2):
        yield one, other, float(np.linalg.norm(embeddings[one] - embeddings[other]))

"""Distinct numbers drawn at random, of few or of billions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def drawn(total: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draws `count` distinct numbers below `total`, ascending, in memory that grows with `count` alone."""
    if 50 * count < total:
        return np.sort(rng.choice(total, count, replace=False))  # of a larger share it would list all numbers
    fewer = min(count, total - count)  # if more than half are drawn, those that are not
    marked = np.zeros(total, bool)
    # Never more than are missing: a surplus would have to be drawn from again to stay fair.
    while missing := fewer - np.count_nonzero(marked):
        marked[rng.integers(total, size=missing)] = True
    return np.flatnonzero(marked if fewer == count else ~marked)

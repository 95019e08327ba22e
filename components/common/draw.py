"""Distinct numbers drawn at random, from few or from billions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

# The numbers that are handled at a time; a multiple of 8.
_PIECE = 2**20


@dataclass(frozen=True)
class Draw:
    """Distinct numbers below a total.

    Args:
        total: how many numbers there are.
        count: how many are drawn.
        few: int64 [count], ascending, where a small share is drawn; else None.
        bits: uint8, a bit for each number below the total, where a larger share is drawn; else empty.
    """

    total: int
    count: int
    few: Numbers | None
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, total: int, count: int, rng: np.random.Generator) -> Draw:
        """Draws `count` numbers below `total`; every set of so many is equally likely."""
        if 50 * count < total:
            # For a larger share, `choice` would list all numbers.
            return cls(total, count, np.sort(rng.choice(total, count, replace=False)), np.empty(0, np.uint8))
        fewer = min(count, total - count)  # where more than half are drawn, those that are left out
        marked = np.zeros(total, bool)
        # Never more than are missing: to stay fair, a surplus would have to be drawn from once more.
        while missing := fewer - int(np.count_nonzero(marked)):
            for start in range(0, missing, _PIECE):
                marked[rng.integers(total, size=min(_PIECE, missing - start))] = True
        bits = np.packbits(marked)
        return cls(total, count, None, bits if fewer == count else ~bits)

    def pieces(self) -> Iterator[Numbers]:
        """The numbers, ascending, some of them at a time."""
        if self.few is not None:
            yield from np.split(self.few, range(_PIECE, self.count, _PIECE))
            return
        for start in range(0, self.total, _PIECE):
            bits = self.bits[start // 8 : (start + _PIECE) // 8]
            yield start + np.flatnonzero(np.unpackbits(bits, count=min(_PIECE, self.total - start)).view(bool))


def draw_distinct(total: int, count: int, rng: np.random.Generator) -> Numbers:
    """Draws `count` distinct numbers below `total`, ascending, in memory that grows with `count` alone."""
    return np.concatenate([np.empty(0, np.int64), *Draw.of(total, count, rng).pieces()])

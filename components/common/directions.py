"""How several faces of one person become one vector that a face is compared with: their mean embedding.

Of the rules that `evaluate` measures, it is the one by which fewest enrolled people are missed where as many strangers
are named (components/evaluate/README.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def directions(totals: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The mean embeddings of some people: sums or means of vectors of length 1, at length 1 again.

    Args:
        totals: [..., size].

    Returns:
        float64 [..., size]. Opposite faces have a mean of no direction, which stays 0: it is as far from everybody.
    """
    exact = np.asarray(totals, np.float64)
    lengths: npt.NDArray[np.float64] = np.linalg.norm(exact, axis=-1, keepdims=True)
    return exact / np.maximum(lengths, np.finfo(np.float64).tiny)

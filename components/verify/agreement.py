"""How well groups of faces agree with who the people are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Agreement:
    """Precision and recall of groups, two ways; each 0 to 1.

    Of pairs: the share of the pairs in one group that are one person, and of the pairs of one person that are in one
    group; None without such a pair. Large groups count most. B-cubed (Bagga and Baldwin, 1998; Amigó et al., 2009): of
    the faces in a face's group, itself included, the share that is its person; and of the faces of its person, the
    share that is in its group; the means over all faces, None without one.
    """

    pairwise_precision: float | None
    pairwise_recall: float | None
    b_cubed_precision: float | None
    b_cubed_recall: float | None


def agreement(groups: Sequence[str], people: Sequence[str]) -> Agreement:
    """Compares the group of each face with the person that it shows."""
    group, in_group = np.unique(np.array(groups), return_inverse=True, return_counts=True)[1:]
    person, of_person = np.unique(np.array(people), return_inverse=True, return_counts=True)[1:]
    cells, both = np.unique(np.stack([group, person]), axis=1, return_counts=True)
    return Agreement(
        _share(_pairs(both), _pairs(in_group)),
        _share(_pairs(both), _pairs(of_person)),
        _share((both**2 / in_group[cells[0]]).sum(), len(groups)),
        _share((both**2 / of_person[cells[1]]).sum(), len(groups)),
    )


def _pairs(counts: npt.NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _share(part: float, whole: int) -> float | None:
    return float(part / whole) if whole else None

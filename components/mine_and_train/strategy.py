"""Which triplets are trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from components.common.errors import UsageError


@dataclass(frozen=True)
class Strategy:
    """Which triplets to take.

    An anchor without a positive, and a pair of anchor and positive without such a negative, are in no triplet.
    """

    positives: Literal["all", "hard", "easy"] = "all"
    """The positives of an anchor: "all" other faces of its identity (FaceNet, section 3.2: "all anchor-positive
    pairs"); the "hard" one, farthest from it (likewise; Hermans et al., 2017, section 2); or the "easy" one,
    nearest to it (Xuan et al., 2020). Of equally far ones the first."""
    negatives: Literal["hard", "semi-hard", "random-violating", "easy", "all"] = "hard"
    """The negatives of each pair of anchor and positive: "hard", all with d(a,n) < d(a,p) (FaceNet, section 3.2);
    "semi-hard": all with d(a,p) <= d(a,n) < d(a,p) + margin (likewise; equal distances are counted here, so that every
    negative is hard, semi-hard or easy); "random-violating": one, drawn from those with d(a,n) < d(a,p) + margin, which
    violate the constraint (FaceNet, section 3.1, eq. 1); "easy": all others; "all" of them."""
    margin: float = 0.2
    """Margin of the triplet loss, in squared distance."""

    def check(self) -> None:
        """Raises UsageError for a negative margin."""
        if not self.margin >= 0:
            raise UsageError("--margin must not be negative.", received=self.margin)

    def bounds(self, positive: Any) -> tuple[Any, Any]:
        """The distances of the negatives that pairs take: from the first on, and below the second.

        The one rule of negatives, for mining in NumPy and for the loss inside a batch in TensorFlow.

        Args:
            positive: d(a,p)^2 of each pair, a float32 array or tensor.
        """
        beyond = positive + self.margin
        return {
            "hard": (0.0, positive),
            "semi-hard": (positive, beyond),
            "random-violating": (0.0, beyond),
            "easy": (beyond, math.inf),
            "all": (0.0, math.inf),
        }[self.negatives]

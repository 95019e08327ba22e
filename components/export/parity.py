"""How far a variant embeds faces as its original does, on faces that were not trained on, and what it must keep."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from components.evaluate.protocols import Protocol
from components.evaluate.score import score

Embeddings = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bound:
    """What a variant must keep.

    Args:
        minimum: smallest cosine between an embedding and the original's, over the faces.
        mean: their mean.
        fall: the most that the verification accuracy may be lower; or three standard errors of the difference, where
            that is larger: with few pairs, chance alone moves the accuracy so far.
    """

    minimum: float
    mean: float
    fall: float


BOUNDS = {
    "float32": Bound(minimum=0.9999, mean=0.99999, fall=0.001),
    "float16": Bound(minimum=0.999, mean=0.9999, fall=0.002),
    "dynamic": Bound(minimum=0.98, mean=0.995, fall=0.01),
    "int8": Bound(minimum=0.95, mean=0.98, fall=0.01),
}


# In standard errors. With one of them, exports of small datasets failed by chance.
_ERRORS = 3


@dataclass(frozen=True)
class Parity:
    """How a variant compares with its original.

    Args:
        minimum: smallest cosine, as in `Bound`.
        mean: likewise.
        accuracy: of the variant; None when the faces make no pairs to score.
        standard_error: of the difference of the two accuracies over the folds, taken as independent; likewise.
        original: accuracy of the network it was made from, likewise.
    """

    minimum: float
    mean: float
    accuracy: float | None = None
    standard_error: float | None = None
    original: float | None = None


def parity(variant: Embeddings, original: Embeddings, protocol: Protocol | None) -> Parity:
    """Compares the embeddings of the same faces.

    Args:
        variant: float32 [n, size], unit length.
        original: likewise.
        protocol: pairs of these faces; None when they make none.
    """
    cosines = np.sum(variant.astype(np.float64) * original, axis=1)
    cosine_parity = Parity(float(cosines.min()), float(cosines.mean()))
    if protocol is None:
        return cosine_parity
    scored, before = score(protocol, variant), score(protocol, original)
    return replace(
        cosine_parity,
        accuracy=scored.accuracy,
        standard_error=math.hypot(scored.standard_error, before.standard_error),
        original=before.accuracy,
    )


def shortfalls(name: str, parity: Parity) -> list[str]:
    """By how much a variant misses its bounds, a sentence for each; none when it keeps them."""
    bound = BOUNDS[name]
    sentences = []
    for what, value, least in (("smallest", parity.minimum, bound.minimum), ("mean", parity.mean, bound.mean)):
        # Not "value < least": what is not a number keeps no bound.
        if not value >= least:
            sentences.append(f"{name}: the {what} cosine is {value:.5f}, {least - value:.5f} below {least:g}")
    if parity.accuracy is not None and parity.standard_error is not None and parity.original is not None:
        allowed, fall = max(bound.fall, _ERRORS * parity.standard_error), parity.original - parity.accuracy
        if not fall <= allowed:
            sentences.append(
                f"{name}: the accuracy is {parity.accuracy:.2%}, {fall:.2%} below the original's "
                f"{parity.original:.2%}; {allowed:.2%} is allowed"
            )
    return sentences

"""A score in three numbers on identities that are not trained on, by the evaluation's own protocol and metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.common.quantity import quantity
from components.evaluate.embeddings import pair_distances
from components.evaluate.metrics import area_under_curve, curve, fold_accuracies, val_at_far
from components.evaluate.protocols import Protocol, from_identities

FALSE_ACCEPT_RATE = 1e-2
_FOLDS = 10
_MAX_PAIRS = 400_000


@dataclass(frozen=True)
class Score:
    """How well the network verifies people it was not trained on.

    Args:
        accuracy: of balanced pairs, over folds; see `components.evaluate.metrics.fold_accuracies`.
        auc: area under the ROC curve.
        val: share of same-identity pairs accepted at a false-accept rate of 1e-2 (FaceNet, section 4).
        standard_error: of the accuracy, over the folds.
    """

    accuracy: float
    auc: float
    val: float
    standard_error: float


def protocol_for(labels: npt.NDArray[np.int64], seed: int) -> tuple[Protocol | None, str]:
    """Chooses the pairs to score.

    Args:
        labels: int64 [n], the identity of each face, none of them trained on.
        seed: seed of the choice.

    Returns:
        The protocol, or None when these faces give too few pairs, and a sentence that says so.
    """
    people = quantity(len(np.unique(labels)), "identity", "identities")
    try:
        protocol = from_identities(
            labels, folds=_FOLDS, max_pairs=_MAX_PAIRS, seed=seed, where="identities that are not trained on"
        )
    except UsageError as error:
        return None, f"No score: {error.headline} ({quantity(len(labels), 'face')} of {people})"
    return protocol, f"Scored on {len(protocol.scored):,} pairs of {people} that the network is not trained on."


def score(protocol: Protocol, embeddings: npt.NDArray[np.float32]) -> Score:
    """Scores embeddings.

    Args:
        protocol: of `protocol_for`.
        embeddings: float32 [n, size], unit length, of the same faces.
    """
    scored = pair_distances(embeddings, protocol.scored.first, protocol.scored.second)
    folds = [fold.accuracy for fold in fold_accuracies(scored, protocol.scored.same, protocol.fold)]
    compared = protocol.compared.as_pairs()
    whole = curve(pair_distances(embeddings, compared.first, compared.second), compared.same)
    accepted = val_at_far(whole, FALSE_ACCEPT_RATE)
    return Score(
        accuracy=float(np.mean(folds)),
        auc=area_under_curve(whole),
        val=accepted[0] if accepted else 0.0,
        standard_error=float(np.std(folds, ddof=1)) / len(folds) ** 0.5,
    )

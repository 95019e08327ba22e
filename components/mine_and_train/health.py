"""Is it learning? The ways in which triplet training fails, recognised from the rounds and named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from components.mine_and_train.history import Round

# Unrelated unit vectors are 2 apart. A hundredth of that in a whole round of different people is one point.
_COLLAPSED_SPREAD = 0.02
# A loss at the margin with equal distances for so many rounds does not come back by itself.
_PATIENCE = 3
_STUCK_WITHIN = 0.02


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong.

    Args:
        cause: in a few words.
        stops: whether to go on is a waste.
        advice: what to try.
    """

    cause: str
    stops: bool
    advice: str


def diagnose(rounds: Sequence[Round], margin: float) -> Diagnosis | None:
    """Looks at the last rounds.

    A loss that stays near the margin is no failure while the share of active triplets falls: semi-hard mining takes
    ever harder triplets (FaceNet, section 3.2), and its loss looks stuck all the while.

    Args:
        rounds: all rounds so far.
        margin: of the triplet loss.

    Returns:
        The worst of what was found; None when nothing is wrong.
    """
    last = rounds[-1]
    if not math.isfinite(last.loss + last.spread):  # embeddings that are no numbers make no triplet, and so no loss
        return Diagnosis(
            "the loss is no longer a number",
            True,
            f"Lower --learning_rate from {last.learning_rate:g}, or clip with --clip_norm 1.",
        )
    recent = rounds[-_PATIENCE:]
    if len(recent) < _PATIENCE:
        return None
    if all(done.spread < _COLLAPSED_SPREAD for done in recent):
        return Diagnosis(
            "all embeddings have become equal (collapse)",
            True,
            "Mine --negatives semi-hard, lower --learning_rate, or begin with --classification_rounds.",
        )
    on_triplets = all(done.phase == "triplets" for done in recent)
    if on_triplets and all(done.triplets_found == 0 or done.active == 0 for done in recent):
        return Diagnosis(
            "no triplet is active any more",
            False,
            "Everything mined is learnt: raise --margin, mine --negatives random-violating, or add people.",
        )
    no_harder = recent[-1].active >= recent[0].active
    if on_triplets and margin > 0 and no_harder and all(_stuck(done, margin) for done in recent):
        return Diagnosis(
            "the loss is stuck at the margin",
            False,
            "Positives are as far as negatives: mine --negatives semi-hard, or begin with --classification_rounds.",
        )
    return None


def _stuck(done: Round, margin: float) -> bool:
    apart = abs(done.positive_distance - done.negative_distance)
    return abs(done.loss - margin) <= _STUCK_WITHIN * margin and apart <= _STUCK_WITHIN * margin

"""What a training minimises, by name. A new loss is a file here and an entry below.

The module of a loss has `build(how) -> Loss` (`loss.py`): how it is made of the hyperparameters. Only the loss of a
classification is made of a head, which has variables of its own (`components.mine_and_train.phases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Objective:
    """A loss, and what the rounds that minimise it are like.

    Args:
        module: has its `build`.
        phase: what these rounds are called in the history.
        mined: whether triplets are mined before a round, which the loss takes; else it takes the identities of a batch.
        classified: whether the loss is that of a head, which has variables of its own and takes any faces as a batch.
        taught: whether the loss takes a teacher's embeddings, and no identities.
        active: what `Round.active` is a share of, for people; "" for triplets.
        terms: what the loss is a mean of and `Round` counts: "triplets", "pairs" of anchor and positive, or "".
    """

    module: str
    phase: str
    mined: bool = False
    classified: bool = False
    taught: bool = False
    active: str = ""
    terms: Literal["triplets", "pairs", ""] = ""


# Also of the rounds that come before those of another loss.
CLASSIFICATION = Objective(
    "components.mine_and_train.losses.classification", "classification", classified=True, active="wrong"
)
LOSSES = {
    "triplet": Objective("components.mine_and_train.losses.triplet", "triplets", mined=True, terms="triplets"),
    "online-triplet": Objective("components.mine_and_train.losses.online_triplet", "triplets", terms="triplets"),
    "contrastive": Objective(
        "components.mine_and_train.losses.contrastive", "contrastive", active="with a nearer negative", terms="pairs"
    ),
    "classification": CLASSIFICATION,
}
# Of all rounds where there is a teacher.
DISTILLATION = Objective(
    "components.mine_and_train.losses.distillation", "distillation", taught=True, active="nearer to another's"
)

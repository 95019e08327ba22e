"""What a training minimises, by name. A new loss is a file here and an entry below.

The module of a loss has `build(how) -> Loss` (`measured.py`): how it is made of the hyperparameters.
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
        taught: whether the loss takes a teacher's embeddings, and no identities.
        active: what `Round.active` is a share of, for people; "" for triplets.
        terms: what the loss is a mean of and `Round` counts: "triplets", "pairs" of anchor and positive, or "".
    """

    module: str
    phase: str
    mined: bool = False
    taught: bool = False
    active: str = ""
    terms: Literal["triplets", "pairs", ""] = ""


LOSSES = {
    "triplet": Objective("components.mine_and_train.losses.triplet", "triplets", mined=True, terms="triplets"),
    "online-triplet": Objective("components.mine_and_train.losses.online_triplet", "triplets", terms="triplets"),
    "contrastive": Objective(
        "components.mine_and_train.losses.contrastive", "contrastive", active="with a nearer negative", terms="pairs"
    ),
}
# Of the rounds that come before those of any loss. It has variables of its own, so the training makes it of a head.
CLASSIFICATION = Objective("components.mine_and_train.losses.classification", "classification", active="wrong")
# Of all rounds where there is a teacher.
DISTILLATION = Objective(
    "components.mine_and_train.losses.distillation", "distillation", taught=True, active="nearer to another's"
)

"""How to train, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.heads import Classification
from components.mine_and_train.history import Round
from components.mine_and_train.optimizer import Optimization
from components.mine_and_train.pairs import Strategy


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        mining: "offline": a round samples faces, embeds and mines them, and makes a pass over the triplets; "online":
            triplets are found inside each batch, with the network as it is at that step.
        loss: "triplet", on the triplets of the strategy; or "contrastive", on all pairs of a batch, online only.
        temperature: of the contrastive loss.
        rounds: how often to sample, embed, mine and train; online, a round is `max_batches` steps.
        classification_rounds: how many of the rounds come first and classify identities instead.
        identities_per_round: identities sampled for an offline round.
        faces_per_identity: at most so many faces of each, in an offline round or in an online batch.
        batch_size: the most images in a training step.
        max_batches: the most training steps in a round; beyond it the pass is cut short, at random and said so.
        max_triplets: the most triplets mined for a round; beyond it a fair sample of them.
        seed: of every random choice.
        strategy: which triplets.
        optimization: how weights move.
        augmentation: what is done to training images.
        classification: the head of the classification rounds.
        xla: compile the training step with XLA.
    """

    rounds: int
    faces_per_identity: int
    batch_size: int
    max_batches: int
    identities_per_round: int = 100
    mining: Literal["offline", "online"] = "offline"
    loss: Literal["triplet", "contrastive"] = "triplet"
    temperature: float = 0.1
    classification_rounds: int = 0
    max_triplets: int = 10_000_000
    seed: int = 0
    strategy: Strategy = field(default_factory=Strategy)
    optimization: Optimization = field(default_factory=Optimization)
    augmentation: Augmentation = field(default_factory=Augmentation)
    classification: Classification = field(default_factory=Classification)
    xla: bool = False


def record(recipe: Recipe, rounds: list[Round]) -> dict[str, object]:
    """Recipe and rounds as plain values, without times: the same training gives the same record."""
    untold = ("seconds", "images_per_second")
    history = [{name: value for name, value in asdict(done).items() if name not in untold} for done in rounds]
    return {"recipe": asdict(recipe), "rounds": history}

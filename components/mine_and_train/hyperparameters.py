"""The hyperparameters of a training, which are flags of the stage as well."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated

from components.common.errors import UsageError
from components.common.flags import Flag, Seed
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.batches import check_batch_size
from components.mine_and_train.heads import Classification
from components.mine_and_train.history import Round
from components.mine_and_train.losses import LOSSES
from components.mine_and_train.optimizer import Optimization
from components.mine_and_train.strategy import Strategy


@dataclass(frozen=True)
class Hyperparameters:
    """Rounds, batches and the loss."""

    loss: Annotated[str, Flag(choices=tuple(LOSSES))] = "triplet"
    """The loss. Triplet: a round mines the triplets of --positives and --negatives among its faces, then makes one pass
    over them. The others work on batches, of which a round has --max_batches: online-triplet on the triplets inside
    each, contrastive on all its pairs, classification on the angles to centres of all identities (--class_head)."""
    temperature: float = 0.1
    """Temperature of the contrastive loss: the smaller, the more it is about the nearest negatives."""
    rounds: int = 100
    """How many rounds to train. Each samples faces, embeds them, mines triplets and trains on these. 0 keeps the
    network of --pretrained as it is."""
    identities_per_round: int = 100
    """How many identities a round mines triplets among; all of them when there are fewer."""
    faces_per_identity: int = 25
    """The most faces of an identity in a round of mined triplets, or in a batch of online-triplet or contrastive."""
    batch_size: int = 96
    """The most images in a training step; at least twice the faces of an identity."""
    max_batches: int = 100
    """The most training steps in a round: beyond it, the pass over the triplets is cut short at random."""
    max_triplets: int = 10_000_000
    """The most triplets mined in a round; where there are more, a fair sample of them is drawn."""
    classification_rounds: int = 0
    """How many rounds classify identities before the loss is trained, with --max_batches steps each: a cure for
    collapse."""
    strategy: Strategy = field(default_factory=Strategy)
    optimization: Optimization = field(default_factory=Optimization)
    augmentation: Augmentation = field(default_factory=Augmentation)
    classification: Classification = field(default_factory=Classification)
    xla: bool = False
    """Compile training steps with XLA; every new shape of a batch costs a compilation."""
    seed: Seed = 0

    def check(self) -> None:
        """Refuses numbers out of range, and a loss that cannot be mined for.

        Raises:
            UsageError: with the flag that it is about.
        """
        check_batch_size(self.batch_size, self.faces_per_identity)
        least = {"rounds": 0, "identities_per_round": 2, "faces_per_identity": 2, "max_batches": 1, "max_triplets": 1}
        for name, smallest in (least | {"classification_rounds": 0}).items():
            check_least(name, getattr(self, name), smallest)
        if not self.temperature > 0:
            raise UsageError("--temperature must be positive.", received=self.temperature)
        self.strategy.check()
        self.optimization.check()
        self.augmentation.check()
        self.classification.check()


def check_least(flag: str, number: int, smallest: int) -> None:
    """Raises UsageError for a number that is too small."""
    if number < smallest:
        raise UsageError(f"--{flag} is too small.", received=number, advice=f"Give {smallest} or more.")


def record(hyperparameters: Hyperparameters, rounds: list[Round]) -> dict[str, object]:
    """Hyperparameters and rounds as plain values, without times: the same training gives the same record."""
    times = ("seconds", "images_per_second")
    history = [{name: value for name, value in asdict(done).items() if name not in times} for done in rounds]
    return {"recipe": asdict(hyperparameters), "rounds": history}

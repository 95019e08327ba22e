"""The flags of mine-and-train."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from components.common.atomic import check_replaceable
from components.common.errors import UsageError
from components.common.flags import Checkpoint, ExecutorInput, Flag, Html, Input, Markdown, values_of
from components.mine_and_train.hyperparameters import Hyperparameters, check_least
from components.model.backbones import BACKBONES, check
from components.model.checkpoint import FILES

# Settings that the result does not depend on.
_NOT_IN_CONFIG = frozenset(
    {
        "input",
        "checkpoint",
        "faces",
        "teacher",
        "training",
        "embeddings",
        "html",
        "markdown",
        "pictures",
        "trial",
        "executor_input",
    }
)

LEAST_SHARE = 0.5  # of a face's side that the network is to see more than


@dataclass(frozen=True)
class Settings:
    """Train the network with the triplet loss on triplets mined from its own current state.

    Each round samples identities and faces of each, embeds them with the network as it is, finds the triplets with
    d(anchor, positive)^2 > d(anchor, negative)^2, and makes one pass over them. That is the default; see `--loss`,
    `--positives` and `--negatives` for others.

    A training that was stopped goes on where it was when the same command is given again.
    """

    input: Input
    """The dataset that `facenet collect` wrote; its train split is used, and its validation split to score."""
    checkpoint: Checkpoint
    """Where the checkpoint goes; a former one is replaced."""
    faces: tuple[Path, ...] = ()
    """The dataset's faces manifest, or all shards of it; without it, the folders that the dataset names."""
    training: Annotated[str, Flag("DIR")] = ""
    """Folder of the training's state, from which a stopped training goes on, its best checkpoint and its history;
    CHECKPOINT-training when not given. On a cluster it lies on a volume that outlives the pod."""
    pretrained: Annotated[str, Flag("PATH", short="-p")] = ""
    """Weights to start from: `dlib`, dlib's network for faces, for the backbone dlib_resnet; a checkpoint of ours;
    TF-Slim's ImageNet checkpoint (.ckpt, or the .tar.gz it comes in); another TensorFlow checkpoint with its scopes (a
    .zip of it too); Keras weights (.h5, .keras); or facenet-pytorch's (.safetensors). Random ones when not given."""
    teacher: Path | None = None
    """Embeddings of the dataset's faces by another network, which `facenet embed` wrote: the network learns them and
    their distances, and neither names nor --loss. Faces of people without names may be among them."""
    embeddings: Path | None = None
    """Also write every face's embedding at the end of training to this folder, as `facenet embed` would."""
    html: Html = None
    markdown: Markdown = None
    pictures: bool = True
    """Whether the card and TensorBoard's projector show faces."""
    backbone: Annotated[str, Flag(choices=tuple(BACKBONES))] = "inception_resnet_v2"
    """The network. small_resnet trains on a CPU in minutes, mobilefacenet is for a Raspberry Pi, dlib_resnet is for the
    weights of dlib's network for faces."""
    image_size: int = 160
    """Side of the network's input in pixels."""
    crop_share: float = 1.0
    """The middle part of the side of each face that the network sees, above 0.5; below 1 for aligned faces only. Faces
    that were cut out for a teacher may be cut out wider than is best for the network."""
    embedding_size: int = 128
    """Length of an embedding."""
    members: int = 1
    """How many networks to train side by side, as an ensemble: each has its part of the embedding and its own loss on
    it. Each sees the image cut a little closer, so they err differently; time and size are their sum."""
    flip_averaging: bool = False
    """Whether the checkpoint asks for embeddings averaged with those of the mirror image: better, at twice the time."""
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    until: int = 0
    """The round to end after for now: it is scored, and the checkpoint is that of it. The schedule stays that of
    --rounds, so with a later one the training goes on as if it had not ended. 0 trains all of --rounds."""
    precision: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    """Arithmetic of the layers (Keras mixed precision); weights, distances and the loss stay in float32.
    auto: bfloat16 where the processor has instructions for it, else float32."""
    validate_every: int = 10
    """How often the validation split is scored, in rounds; it is scored after the last round too."""
    patience: int = 0
    """Take the best checkpoint by validation, --pretrained's own included, and stop after this many validations without
    a better AUC; 0 trains to the end and takes the last."""
    save_every: int = 200
    """How often the state is saved, in training steps; it is saved at the end and at a stop too."""
    keep_every: int = 0
    """How often a checkpoint is kept in the training folder, in rounds; 0 keeps the best one only."""
    trial: Annotated[str, Flag("JSON")] = ""
    """Settings as a JSON object, by flag: they go before the flags, and the checkpoint keeps them, by which the trials
    of a search on a cluster are told apart."""
    executor_input: ExecutorInput = ""

    @property
    def training_folder(self) -> Path:
        """Where the training's state lies."""
        beside = self.checkpoint.with_name(f"{self.checkpoint.name}-training")
        return Path(self.training) if self.training else beside

    @property
    def last_round(self) -> int:
        """The round to end after."""
        return self.until or self.hyperparameters.rounds

    def config(self) -> dict[str, Any]:
        """What the result depends on, by flag: everything but the places of files and the card's pictures."""
        return {flag: value for flag, value in values_of(self).items() if flag not in _NOT_IN_CONFIG}

    def check(self) -> None:
        """Refuses numbers out of range, a network that there is not, and something else in the checkpoint's place."""
        check(self.backbone, self.image_size)
        if not LEAST_SHARE < self.crop_share <= 1:
            raise UsageError(f"--crop_share is a part of the side, above {LEAST_SHARE} to 1.", received=self.crop_share)
        self.hyperparameters.check()
        if not self.hyperparameters.rounds and not self.pretrained:
            raise UsageError(
                "Without a round there is no network.",
                received="--rounds 0, and no --pretrained",
                advice="Give 1 or more, or a network to keep with --pretrained.",
            )
        if not 0 <= self.until <= self.hyperparameters.rounds:
            raise UsageError(
                "--until is one of --rounds, or 0 for the last.",
                received=f"--until {self.until}, --rounds {self.hyperparameters.rounds}",
                advice="Leave it out, or give a smaller number.",
            )
        for name, smallest in {"validate_every": 1, "patience": 0, "save_every": 1, "keep_every": 0}.items():
            check_least(name, getattr(self, name), smallest)
        check_replaceable(self.checkpoint, FILES)

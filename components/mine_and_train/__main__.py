"""`facenet mine-and-train`: dataset -> checkpoint."""

from __future__ import annotations

import hashlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.atomic import check_replaceable
from components.common.command import run
from components.common.crops import crop_of, faces_of
from components.common.errors import FacenetError, UsageError
from components.common.flags import Checkpoint, ExecutorInput, Flag, Input, Switch
from components.common.manifest import DATASET, read
from components.mine_and_train import augmentation, heads, optimizer, state
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.batches import check_batch_size
from components.mine_and_train.optimizer import Optimization
from components.mine_and_train.pairs import Strategy
from components.model import load_tensorflow
from components.model.backbones import check
from components.model.checkpoint import FILES
from components.model.starts import check_members, located

# What the variables of a training, or what it has seen so far, depend on.
FIXED = frozenset(
    {"dataset", "backbone", "image_size", "embedding_size", "seed", "mining", "loss", "precision", "optimizer", "ema"}
    | {"classification_rounds", "class_head", "crop", "members"}
)

# What the batches of a round depend on: with others, an unfinished round begins anew.
OF_A_ROUND = frozenset(
    {"identities_per_round", "faces_per_identity", "batch_size", "max_triplets", "positives", "negatives", "margin"}
)

# Settings that the result does not depend on, and the groups that are told one by one.
_UNTOLD = frozenset(
    {"input", "checkpoint", "faces", "training", "embeddings", "html", "markdown", "pictures", "executor_input"}
    | {"strategy", "optimization", "augmentation"}
)


@dataclass(frozen=True)
class Settings:
    """Train the network with the triplet loss on triplets mined from its own current state.

    Each round samples identities and faces of each, embeds them with the network as it is, finds the triplets with
    d(anchor, positive)^2 > d(anchor, negative)^2, and makes one pass over them. That is the default; see `--mining`,
    `--positives` and `--negatives` for others.

    A training that was stopped goes on where it was when the same command is given again.
    """

    input: Input
    """The dataset that `facenet collect` wrote; its train split is used, and its validation split to score."""
    checkpoint: Checkpoint
    """Where the checkpoint goes; a former one is replaced."""
    faces: tuple[Path, ...] = ()
    """Where the dataset's faces manifest, or all shards of it, lies now; where collect read it, when not given."""
    training: Annotated[str, Flag("DIR")] = ""
    """Folder for what it takes to go on after a stop, the best checkpoint so far, and the history;
    CHECKPOINT-training when not given. On a cluster: on a volume that outlives the pod."""
    pretrained: Annotated[str, Flag("PATH", short="-p")] = ""
    """Weights to start from: a checkpoint of ours, TF-Slim's ImageNet checkpoint (.ckpt, or the .tar.gz it comes in),
    another TensorFlow checkpoint with its scopes (a .zip of it too), or Keras weights (.h5, .keras). Random ones when
    not given."""
    embeddings: Path | None = None
    """Also write every face's embedding at the end of training to this folder, as `facenet embed` would."""
    html: Path | None = None
    """Also write the card that shows the training to this file, as HTML; it lies in the training folder too."""
    markdown: Path | None = None
    """Likewise its summary, as Markdown."""
    pictures: Switch = True
    """false: the card and TensorBoard's projector show no faces."""
    backbone: str = "inception_resnet_v2"
    """The network: inception_resnet_v2, inception_resnet_v1, mobilefacenet for a Raspberry Pi, or small_resnet, which
    trains on a CPU."""
    image_size: int = 160
    """Side of the network's input in pixels."""
    embedding_size: int = 128
    """Length of an embedding."""
    members: int = 1
    """Networks side by side, an ensemble: each has its part of the embedding, and its own loss on it. They see the
    image cut ever closer, so they err differently; time and size are their sum."""
    flip_averaging: Switch = False
    """Whether the checkpoint asks for embeddings averaged with those of the mirror image: better, at twice the time."""
    loss: Literal["triplet", "contrastive"] = "triplet"
    """Triplet, on those of --positives and --negatives; or contrastive, on all pairs of a batch (online only)."""
    temperature: float = 0.1
    """Of the contrastive loss: the smaller, the more it is about the nearest negatives."""
    rounds: int = 100
    """How often to sample, embed, mine and train."""
    mining: Literal["offline", "online"] = "offline"
    """Offline: a round mines triplets among its faces, then makes one pass over them. Online: triplets are found
    inside every batch; a round is --max_batches of them."""
    identities_per_round: int = 100
    """Identities sampled for an offline round; all of them when there are fewer."""
    faces_per_identity: int = 25
    """At most so many faces of each, in an offline round or an online batch."""
    batch_size: int = 96
    """The most images in a training step; at least twice the faces of an identity."""
    max_batches: int = 100
    """The most training steps in a round: beyond it, the pass over the triplets is cut short at random."""
    max_triplets: int = 10_000_000
    """The most triplets mined for an offline round; beyond it, a fair sample of them is drawn."""
    classification_rounds: int = 0
    """Begin with so many rounds that classify identities, a cure for collapse; --max_batches steps each."""
    class_head: Literal["softmax", "arcface", "cosface"] = "arcface"
    """The loss of the classification rounds."""
    class_margin: float = 0.3
    """Of arcface in radians, of cosface in cosine."""
    class_scale: float = 24.0
    """What cosines are multiplied by before the softmax."""
    strategy: Strategy = field(default_factory=Strategy)
    optimization: Optimization = field(default_factory=Optimization)
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    """Of the layers' arithmetic (Keras mixed precision); weights, distances and the loss stay in float32.
    auto: bfloat16 where the processor has instructions for it, else float32."""
    xla: Switch = False
    """Compile training steps with XLA; every new shape of a batch costs a compilation."""
    validate_every: int = 10
    """Score the validation split every so many rounds, and after the last."""
    patience: int = 0
    """Stop after so many scores without a better one (AUC), and take the best checkpoint; 0 goes on to the end."""
    save_every: int = 200
    """Save the state every so many training steps, besides at the end and when told to stop."""
    keep_every: int = 0
    """Keep a checkpoint every so many rounds in the training folder; 0 keeps the best only."""
    seed: int = 0
    """Of every random choice."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""

    @property
    def training_folder(self) -> Path:
        """Where the training's state lies."""
        beside = self.checkpoint.with_name(f"{self.checkpoint.name}-training")
        return Path(self.training) if self.training else beside

    def told(self) -> dict[str, Any]:
        """What the result depends on, by flag: everything but the places of files and the card's pictures."""
        plain = {name: value for name, value in asdict(self).items() if name not in _UNTOLD}
        return plain | asdict(self.strategy) | asdict(self.optimization) | asdict(self.augmentation)


def _checked(settings: Settings) -> None:
    check(settings.backbone, settings.image_size)
    check_batch_size(settings.batch_size, settings.faces_per_identity)
    least = {"rounds": 1, "identities_per_round": 2, "faces_per_identity": 2, "max_batches": 1, "max_triplets": 1}
    least |= {"classification_rounds": 0, "validate_every": 1, "patience": 0, "save_every": 1, "keep_every": 0}
    for name, smallest in least.items():
        if getattr(settings, name) < smallest:
            raise UsageError(
                f"--{name} is too small.", received=getattr(settings, name), advice=f"Give {smallest} or more."
            )
    if not settings.strategy.margin >= 0:
        raise UsageError("--margin must not be negative.", received=settings.strategy.margin)
    if settings.loss == "contrastive" and settings.mining == "offline":
        raise UsageError(
            "The contrastive loss is about the pairs of a batch: it has no triplets to mine beforehand.",
            received="--loss contrastive --mining offline",
            advice="Give --mining online.",
        )
    if not settings.temperature > 0:
        raise UsageError("--temperature must be positive.", received=settings.temperature)
    optimizer.check(settings.optimization)
    augmentation.check(settings.augmentation)
    heads.check(heads.Classification(settings.class_head, settings.class_margin, settings.class_scale))


def _training_rows(rows: pa.Table, dataset: Path) -> pa.Table:
    train = rows.filter(pc.equal(rows["split"], "train"))
    counts = pc.value_counts(train["identity"]).field("counts") if len(train) else pa.array([], pa.int64())
    usable = int(np.sum(counts.to_numpy() >= 2))
    if len(counts) < 2 or usable < 1:
        raise FacenetError(
            "Triplets need at least two identities in the train split, one of them with two faces."
            if len(counts)
            else "There is nobody to train on: the train split of this dataset is empty.",
            received=f"{dataset}: {len(counts)} identities in the train split, {usable} of them with two faces or more",
            advice="Add people to the photos, or give `facenet collect` smaller --test and --validation shares.",
        )
    return train


def _fingerprint(rows: pa.Table) -> str:
    """Names what is trained on: the faces and who they show, in order."""
    digest = hashlib.sha256()
    for name in ("face_id", "identity"):
        digest.update("\0".join(rows[name].to_pylist()).encode())
    return digest.hexdigest()


def _former(settings: Settings, told: dict[str, Any]) -> state.State | None:
    """The state of a stopped training to go on from, having said how the settings differ."""
    former = state.load(settings.training_folder)
    if former is None:
        return None
    print("\n".join(state.changes(former, told, FIXED)) or "Going on with the same settings.")
    if settings.rounds < len(former.rounds):
        raise UsageError(
            "The training has done more rounds than it is to have.",
            received=f"--rounds {settings.rounds}; {settings.training_folder} is after round {len(former.rounds)}",
            advice=f"Give {len(former.rounds)} or more, or another folder with --training to begin anew.",
        )
    if former.batches and any(former.settings.get(name) != told[name] for name in OF_A_ROUND):
        print("The unfinished round begins anew: its batches depend on these.")
        return state.begun_anew(former)
    return former


def _stopped(number: int, frame: FrameType | None) -> None:
    # What is on the disk is whole at any time, and the same command goes on from it.
    raise SystemExit(state.RESUMABLE)


def _with_a_place_for_its_state(settings: Settings) -> Settings:
    """The settings, without a volume that a cluster mounts so that only root may write to it.

    Kubernetes leaves a new block volume to root, and Kubeflow cannot be told to give it to whom an image runs as. To
    train without it is better than not to train.
    """
    if not (settings.training and settings.executor_input):
        return settings
    folder = settings.training_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except PermissionError as error:
        print(f"No state is kept, so a training whose pod is lost begins anew: {folder} ({error.strerror})", flush=True)
        return replace(settings, training="")
    return settings


def _train(settings: Settings) -> None:
    signal.signal(signal.SIGTERM, _stopped)
    _checked(settings)
    settings = _with_a_place_for_its_state(settings)
    check_replaceable(settings.checkpoint, FILES)
    rows = read(settings.input, DATASET)
    faces = faces_of(settings.input, settings.faces)
    training_rows = _training_rows(rows, settings.input)
    told = settings.told() | {"dataset": _fingerprint(training_rows), "crop": asdict(crop_of(faces))}
    former = _former(settings, told)
    if settings.pretrained and former is None:
        check_members(located(Path(settings.pretrained)), settings.members)
    load_tensorflow()  # it takes seconds: wrong settings should not wait for it
    from components.mine_and_train.session import train

    train(settings, told, former, rows, training_rows, faces)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _train, argv, prog="facenet mine-and-train")


if __name__ == "__main__":
    sys.exit(main())

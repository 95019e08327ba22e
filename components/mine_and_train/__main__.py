"""`facenet mine-and-train`: dataset -> checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tyro

from components.common.atomic import check_replaceable
from components.common.command import Checkpoint, ExecutorInput, Input, run
from components.common.crops import crop_of, decoded, faces_of
from components.common.errors import FacenetError, UsageError
from components.common.executor import write_metrics
from components.common.manifest import DATASET, read
from components.common.preprocessing import Preprocessing
from components.mine_and_train.batches import check_batch_size
from components.model.backbones import check
from components.model.checkpoint import FILES, describe


@dataclass(frozen=True)
class Settings:
    """Train the network with the triplet loss on hard triplets mined from its own current state.

    Each round samples identities and faces of each, embeds them with the network as it is, finds the triplets with
    d(anchor, positive)^2 > d(anchor, negative)^2, and makes one pass over them.
    """

    input: Input
    """The dataset that `facenet collect` wrote; its train split is used."""
    checkpoint: Checkpoint
    """Where the checkpoint goes; a former one is replaced."""
    faces: Path | None = None
    """Where the dataset's faces manifest lies now; where collect read it, when not given."""
    pretrained: Annotated[str, tyro.conf.arg(aliases=["-p"], metavar="DIR")] = ""
    """A checkpoint to start from; random weights when not given."""
    embeddings: Path | None = None
    """Also write every face's embedding at the end of training to this folder, as `facenet embed` would."""
    backbone: str = "inception_resnet_v2"
    """The network: inception_resnet_v2, or small_resnet, which trains in minutes on a CPU."""
    image_size: int = 160
    """Side of the network's input in pixels."""
    embedding_size: int = 128
    """Length of an embedding."""
    rounds: int = 100
    """How often to sample, embed, mine and train."""
    identities_per_round: int = 100
    """Identities sampled for a round; all of them when there are fewer."""
    faces_per_identity: int = 25
    """At most so many faces of each."""
    margin: float = 0.2
    """The triplet loss's margin, in squared distance."""
    learning_rate: float = 0.001
    """RMSProp's learning rate, in the first round."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Whether the learning rate stays, or falls to 0 along half a cosine over the rounds."""
    jitter: float = 0.0
    """Shift and zoom training images at random by up to this fraction; they are mirrored at random in any case."""
    batch_size: int = 96
    """The most images in a training step; at least twice the faces of an identity."""
    max_batches: int = 100
    """The most training steps in a round: beyond it, the pass over the triplets is cut short at random."""
    seed: int = 0
    """Of every random choice."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""


def _checked(settings: Settings) -> None:
    check(settings.backbone, settings.image_size)
    check_batch_size(settings.batch_size, settings.faces_per_identity)
    for name in ("rounds", "identities_per_round", "faces_per_identity", "max_batches"):
        if getattr(settings, name) < (2 if "identit" in name else 1):
            raise UsageError(f"--{name} is too small.", received=getattr(settings, name))
    if not 0 <= settings.jitter <= 0.5:
        raise UsageError("--jitter is a fraction from 0 to 0.5.", received=settings.jitter)
    if not (settings.margin >= 0 and settings.learning_rate > 0):
        raise UsageError(
            "--margin must not be negative and --learning_rate must be positive.",
            received=f"margin {settings.margin:g}, learning_rate {settings.learning_rate:g}",
        )
    if settings.pretrained:
        describe(Path(settings.pretrained))


def _training_rows(rows: pa.Table, dataset: Path) -> pa.Table:
    train = rows.filter(pc.equal(rows["split"], "train"))
    counts = pc.value_counts(train["identity"]).field("counts") if len(train) else pa.array([], pa.int64())
    usable = int(np.sum(counts.to_numpy() >= 2))
    if len(counts) < 2 or usable < 1:
        raise FacenetError(
            "Triplets need at least two identities in the train split, one of them with two faces.",
            received=f"{dataset}: {len(counts)} identities in the train split, {usable} of them with two faces or more",
            advice="Add people to the photos, or give `facenet collect` smaller --test and --validation shares.",
        )
    return train


def _train(settings: Settings) -> None:
    _checked(settings)
    check_replaceable(settings.checkpoint, FILES)
    rows = read(settings.input, DATASET)
    faces = faces_of(settings.input, settings.faces)
    preprocessing = Preprocessing(settings.image_size, crop_of(faces))
    training_rows = _training_rows(rows, settings.input)
    images = decoded(training_rows, faces, settings.image_size)
    labels = np.unique(training_rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    # TensorFlow takes seconds to import: wrong settings should not wait for it.
    import keras

    from components.mine_and_train.train import Recipe, record, said, train
    from components.model import checkpoint
    from components.model.network import Architecture, Embedder, build
    from components.model.pretrained import start_from

    keras.utils.clear_session()  # layers are numbered from 1 again: their names are part of the weights' file
    keras.utils.set_random_seed(settings.seed)
    architecture = Architecture(settings.backbone, settings.image_size, settings.embedding_size)
    network = build(architecture)
    if settings.pretrained:
        print("\n".join(start_from(network, architecture, Path(settings.pretrained))))
    people = len(np.unique(labels))
    print(f"{settings.backbone}, {network.count_params():,} parameters; {len(images)} faces of {people} identities")
    if people < settings.identities_per_round:
        print(f"A round takes all {people} identities: there are fewer than {settings.identities_per_round}.")
    recipe = Recipe(**{name: getattr(settings, name) for name in Recipe.__dataclass_fields__})
    rounds = []
    for done in train(network, images, labels, recipe):
        print(said(done, recipe.rounds), flush=True)
        rounds.append(done)
        if not np.isfinite(done.loss):
            raise FacenetError(
                "The loss is no longer a number.",
                received=f"loss {done.loss} in round {done.number}",
                advice=f"Lower --learning_rate from {settings.learning_rate:g}.",
            )
    checkpoint.save(settings.checkpoint, network, architecture, preprocessing, record(recipe, rounds))
    print(f"checkpoint in {settings.checkpoint}")
    if settings.embeddings:
        from components.model.embeddings import write_embeddings

        vectors = Embedder(network)(decoded(rows, faces, settings.image_size))
        write_embeddings(settings.embeddings, rows, vectors, checkpoint.fingerprint(settings.checkpoint))
        print(f"{len(rows)} embeddings in {settings.embeddings}")
    write_metrics(
        settings.executor_input,
        {
            "rounds": len(rounds),
            "identities": people,
            "faces": len(images),
            "triplets_mined": sum(done.triplets_mined for done in rounds),
            "triplets_trained": sum(done.triplets_trained for done in rounds),
            "loss": rounds[-1].loss,
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _train, argv, prog="facenet mine-and-train")


if __name__ == "__main__":
    sys.exit(main())

"""The stage: dataset -> checkpoint. What needs no TensorFlow comes first."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.command import RESUMABLE, TENSORFLOW_THREADS
from components.common.cores import tensorflow_threads
from components.common.crops import crop_of, faces_of
from components.common.errors import FacenetError, UsageError
from components.common.manifest import DATASET, read, unnamed
from components.common.memory import memory
from components.common.preprocessing import Crop
from components.common.quantity import quantity
from components.mine_and_train import state
from components.mine_and_train.heads import memory_of_head
from components.mine_and_train.losses import LOSSES
from components.mine_and_train.settings import LEAST_SHARE, Settings
from components.mine_and_train.teacher import Teacher, read_teacher
from components.model import load_tensorflow, starts

# What the variables of a training, or what it has seen so far, depend on.
FIXED = frozenset(
    {"dataset", "backbone", "image_size", "embedding_size", "seed", "loss", "precision", "optimizer", "ema"}
    | {"classification_rounds", "class_head", "class_subcentres", "class_sample_rate"}
    | {"crop", "crop_share", "members", "teacher"}
)

# What the batches of a round depend on: with others, an unfinished round begins anew.
OF_A_ROUND = frozenset(
    {"identities_per_round", "faces_per_identity", "batch_size", "max_triplets", "positives", "negatives", "margin"}
)

_NO_PIXEL = 0.005  # a margin that is so much wider makes no difference of a pixel
_LEAST_FACES = 2  # to learn from a teacher: one has no distance to another


def run(settings: Settings) -> None:
    """Trains, or goes on with a stopped training, and writes every result."""
    signal.signal(signal.SIGTERM, _exit_resumable)
    settings = _without_unwritable_volume(settings)
    # Of millions of faces, what is not needed takes gigabytes.
    columns = ["face_id", "identity", "split", "part", "row", *(["photo_path"] if settings.embeddings else [])]
    rows = read(settings.input, DATASET, columns)
    faces = faces_of(settings.input, settings.faces)
    teacher = None if settings.teacher is None else read_teacher([settings.teacher], _split(rows))
    # Nothing is trained in no round: anybody's faces will do, to look at what the network makes of them.
    training_rows = _training_rows(rows, settings.input, teacher) if settings.hyperparameters.rounds else rows
    if teacher is None:
        _check_head(settings, training_rows)
    config = settings.config() | {"dataset": _fingerprint(training_rows), "crop": asdict(crop_of(faces))}
    if teacher is not None:
        _check_size(settings, teacher)
        config |= {"teacher": {"network": teacher.network, "embeddings": teacher.sha256}}
    former = _load_stopped(settings, config)
    if settings.pretrained and former is None:
        start = starts.find_start(Path(settings.pretrained))
        starts.check_members(start, settings.members)
        _check_crop(settings, starts.crop_of(start, settings.backbone, settings.image_size), crop_of(faces))
    config |= {"threads": _threads(former)}
    os.environ[TENSORFLOW_THREADS] = str(config["threads"])
    load_tensorflow()  # it takes seconds: wrong settings should not wait for it
    from components.mine_and_train.session import train

    train(settings, config, former, rows, training_rows, faces, teacher)


def _split(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.equal(rows["split"], "train"))


def _check_size(settings: Settings, teacher: Teacher) -> None:
    size = settings.members * teacher.plain.shape[1]
    if settings.embedding_size != size:
        raise UsageError(
            "Each member of the network learns an embedding as long as the teacher's.",
            received=f"--embedding_size {settings.embedding_size}, --members {settings.members}; {settings.teacher}: "
            f"{teacher.plain.shape[1]} numbers",
            advice=f"Give --embedding_size {size}.",
        )


def _check_head(settings: Settings, rows: pa.Table) -> None:
    """Says how much memory the head of a classification takes, where there is one, and refuses more than there is."""
    how = settings.hyperparameters
    if not how.rounds or not (how.classification_rounds or LOSSES[how.loss].classified):
        return
    identities = pc.count_distinct(rows["identity"]).as_py()
    chosen = how.classification.in_a_step(identities, how.batch_size)
    kept = how.optimization.kept + (how.optimization.ema > 0 and chosen == identities)  # the moving average
    taken = memory_of_head(how.classification, identities, settings.embedding_size, how.batch_size, kept)
    held, of_a_step = (f"{size / 1e6:,.0f} MB" for size in taken)
    centres = quantity(identities * how.classification.subcentres, "centre")
    said = f"{centres} of {settings.embedding_size} numbers, with what {how.optimization.optimizer} keeps of them"
    if sum(taken) > memory():
        raise UsageError(
            "The head of this classification is larger than the memory of this machine.",
            received=f"{said}: {held}, and up to {of_a_step} in a step; there are {memory() / 1e6:,.0f} MB",
            advice="Give --class_sample_rate 0.1, for a smaller step; --optimizer sgd, which keeps less than adam or "
            "muon; or a smaller --embedding_size or --class_subcentres.",
        )
    print(f"The head takes {held} ({said}) and up to {of_a_step} in a step, of {chosen:,} identities.")


def _check_crop(settings: Settings, needed: Crop | None, crop: Crop) -> None:
    """Refuses faces that are cut out otherwise than those which the weights to start from ask for, where they do."""
    seen = crop.middle(settings.crop_share)
    if needed is None or (needed.alignment == seen.alignment and abs(needed.margin - seen.margin) < _NO_PIXEL):
        return
    share = needed.share_of(crop) or 0.0
    raise UsageError(
        "These faces are not cut out as those that the weights to start from were trained on.",
        received=f"--pretrained {settings.pretrained}: {needed}; faces: {crop}, --crop_share {settings.crop_share:g}",
        advice=f"Give --crop_share {share:.4g}." if share > LEAST_SHARE else f"{needed.how_to_get}.",
    )


def _training_rows(rows: pa.Table, dataset: Path, teacher: Teacher | None) -> pa.Table:
    train = _split(rows)
    if teacher is not None and len(train) >= _LEAST_FACES:
        return train
    nobodys = unnamed(train)
    if left := pc.sum(nobodys).as_py():
        # One person may be on several of them, so they are no negatives either.
        print(f"{quantity(left, 'face')} of unnamed people are left out: without a --teacher they say nothing.")
        train = train.filter(pc.invert(nobodys))
    counts = pc.value_counts(train["identity"]).field("counts") if len(train) else pa.array([], pa.int64())
    usable = int(np.sum(counts.to_numpy() >= 2))
    if len(counts) < 2 or usable < 1:
        raise FacenetError(
            "Triplets need at least two identities in the train split, one of them with two faces."
            if len(counts)
            else "There is nobody to train on: the train split of this dataset is empty.",
            received=f"{dataset}: {quantity(len(counts), 'identity', 'identities')} in the train split, "
            f"{usable} of them with two faces or more",
            advice="Add people to the photos, or give `facenet collect` smaller --test and --validation shares.",
        )
    return train


def _fingerprint(rows: pa.Table) -> str:
    """Names what is trained on: the faces and who they show, in order."""
    digest = hashlib.sha256()
    for name in ("face_id", "identity"):
        between = b""
        for some in rows[name].iterchunks():
            if len(some):
                digest.update(between + "\0".join(some.to_pylist()).encode())
                between = b"\0"
    return digest.hexdigest()


def _load_stopped(settings: Settings, config: dict[str, Any]) -> state.State | None:
    """The state of a stopped training to go on from, having said how the settings differ."""
    former = state.load(settings.training_folder)
    if former is None:
        return None
    # What an older state does not say, there was no choice of: it was what it is now by default.
    defaults = type(settings)(input=settings.input, checkpoint=settings.checkpoint).config()
    # Nor of what found the faces: dlib.
    crop = {"detector": "dlib"} | former.settings["crop"]
    former = replace(former, settings=defaults | former.settings | {"crop": crop})
    print("\n".join(state.changes(former, config, FIXED)) or "Going on with the same settings.")
    rounds = settings.last_round
    if rounds < len(former.rounds):
        raise UsageError(
            "The training has done more rounds than it is to have.",
            received=f"--{'until' if settings.until else 'rounds'} {rounds}; "
            f"{settings.training_folder} is after round {len(former.rounds)}",
            advice=f"Give {len(former.rounds)} or more, or another folder with --training to begin anew.",
        )
    if former.batches and any(former.settings.get(name) != config[name] for name in OF_A_ROUND):
        print("The unfinished round begins anew: its batches depend on these.")
        return state.without_unfinished_round(former)
    return former


def _threads(former: state.State | None) -> int:
    """How many threads TensorFlow is to have: those that the training began with, as its weights depend on them."""
    here = tensorflow_threads()
    began = here if former is None else former.settings.get("threads", here)  # older states do not say
    if began != here:
        print(f"Going on with {began} threads, as it began, for the same weights; here they would be {here}.")
    return int(began)


def _exit_resumable(number: int, frame: FrameType | None) -> None:
    # What is on the disk is whole at any time, and the same command goes on from it.
    raise SystemExit(RESUMABLE)


def _without_unwritable_volume(settings: Settings) -> Settings:
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

"""A training from its settings to its results: built, or taken up where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from components.common.batches import embed_many
from components.common.crops import crop_of, open_crops
from components.common.errors import UsageError
from components.common.manifest import Folders, unnamed
from components.common.preprocessing import SCALING, Preprocessing
from components.common.quantity import quantity
from components.evaluate.score import Score, protocol_for, score
from components.mine_and_train import devices, history, state
from components.mine_and_train.loop import BEST, TrainingLoop
from components.mine_and_train.losses import LOSSES
from components.mine_and_train.results import write_card, write_network
from components.mine_and_train.settings import Settings
from components.mine_and_train.teacher import Teacher
from components.mine_and_train.train import Training
from components.model import checkpoint
from components.model.network import Architecture, build, embedder_for, ends_normalised, place_around
from components.model.precision import fastest, layers_in, remark
from components.model.pretrained import start_from

# More faces than this score a network no better, and would take longer to embed than a round takes.
_MOST_VALIDATED = 20_000


def _number_identities(rows: pa.Table) -> npt.NDArray[np.int64]:
    """int64 [n]: the place of each row's identity among the names in order."""
    names = rows["identity"].combine_chunks().dictionary_encode()
    order = np.unique(names.dictionary.to_numpy(zero_copy_only=False), return_inverse=True)[1]
    return order[names.indices.to_numpy()]


def train(
    settings: Settings,
    config: dict[str, Any],
    former: state.State | None,
    rows: pa.Table,
    training_rows: pa.Table,
    faces: Folders,
    teacher: Teacher | None,
) -> None:
    """Trains, or goes on with a stopped training, and writes every result.

    Args:
        settings: checked.
        config: the settings that the result depends on, as plain values.
        former: the state of a stopped training of these settings.
        rows: the dataset.
        training_rows: its train split.
        faces: the faces manifest that it points into.
        teacher: of the faces of the train split; None without one.
    """
    strategy = devices.strategy_here()
    _check_devices(settings, strategy.num_replicas_in_sync)
    images = open_crops(training_rows, faces, settings.image_size, settings.crop_share)
    labels = _number_identities(training_rows)
    architecture = Architecture(settings.backbone, settings.image_size, settings.embedding_size, settings.members)
    network = _build_network(architecture, settings, strategy)
    start = former.settings.get("start") if former is not None else None
    if settings.pretrained and former is None:
        path = Path(settings.pretrained)
        restored = start_from(network, architecture, path, images)
        print("\n".join(restored.lines(path)))
        start = restored.record(path)
    elif teacher is not None and former is None:
        place_around(network, teacher.centre)
    # States from before networks had one of their own do not say.
    scaling = (start or {}).get("scaling", SCALING)
    preprocessing = Preprocessing(
        settings.image_size,
        crop_of(faces).middle(settings.crop_share),
        scaling=scaling,
        flip_averaging=settings.flip_averaging,
    )
    named = labels[~np.array(unnamed(training_rows), bool)]
    people, strangers = len(np.unique(named)), len(labels) - len(named)
    identities = quantity(people, "identity", "identities")
    faces_of = f"{quantity(len(named), 'face')} of {identities}"
    more = f", and {quantity(strangers, 'face')} of unnamed people" if strangers else ""
    print(f"{settings.backbone}, {network.count_params():,} parameters; {faces_of}{more}")
    least = settings.hyperparameters.identities_per_round
    if teacher is not None:
        print(f"Learnt from the embeddings of {teacher.network[:12]}, {settings.teacher}; --loss is left.")
    elif settings.hyperparameters.rounds and LOSSES[settings.hyperparameters.loss].mined and people < least:
        print(f"A round takes all {identities}: there are fewer than {least}.")
    training = Training(
        network,
        images,
        labels,
        settings.hyperparameters,
        validate=_validation(settings, network, preprocessing, rows, faces),
        validate_every=settings.validate_every,
        strategy=strategy,
        members=architecture.members,
        scaling=scaling,
        taught=None if teacher is None else teacher.scaled if ends_normalised(network) else teacher.plain,
    )
    if former is not None:
        if settings.pretrained:
            print(f"--pretrained {settings.pretrained} is left: the training has begun already.")
        _resume(training, former, settings.training_folder)
    loop = TrainingLoop(
        settings, config | {"start": start}, architecture, preprocessing, training, devices.is_chief(strategy)
    )
    ends_early = loop.run(devices.agreement(strategy))
    if loop.writes:
        with training.evaluation_weights():
            if ends_early:
                print(f"No better score in {settings.patience} validations.")
            loop.score_last()
            kept = training.from_start[-1]
            if settings.patience and (best := history.best(training.from_start)) is not None:
                print(history.verdict(best, training.from_start))
                if best is not kept:
                    checkpoint.restore(network, loop.folder / BEST / checkpoint.WEIGHTS)
                kept = best
            write_network(loop, rows, faces, kept)
            write_card(loop, images, training_rows, labels, kept)


def _build_network(architecture: Architecture, settings: Settings, strategy: tf.distribute.Strategy) -> keras.Model:
    keras.utils.clear_session()  # layers are numbered from 1 again: their names are part of the weights' file
    keras.utils.set_random_seed(settings.hyperparameters.seed)
    if settings.precision == "auto":
        precision = fastest()
        print(f"The layers compute in {precision}, which is the fastest here.")
    else:
        precision = settings.precision
        if (said := remark(precision)) is not None:
            print(said)
    with layers_in(precision), strategy.scope():
        return build(architecture)


def _check_devices(settings: Settings, number: int) -> None:
    if number == 1:
        return
    print(f"{number} devices share each batch; the first worker writes the results.")
    if settings.hyperparameters.xla:
        raise UsageError("--xla is for one device.", received=f"{number} devices", advice="Leave it out.")


def _resume(training: Training, former: state.State, folder: Path) -> None:
    try:
        training.go_on_from(former)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            "The state of the training does not fit these settings.",
            received=f"{folder} ({error})",
            advice="Remove the folder to begin anew, or give another one with --training.",
        ) from error
    print(f"Going on after round {len(training.rounds)}, {training.steps} training steps.")


def _validation(
    settings: Settings, network: keras.Model, preprocessing: Preprocessing, rows: pa.Table, faces: Folders
) -> Callable[[], Score] | None:
    unseen = rows.filter(pc.equal(rows["split"], "validation"))
    people = _number_identities(unseen)
    if len(unseen) > _MOST_VALIDATED:
        some = _of_some_people(people, _MOST_VALIDATED, np.random.default_rng(settings.hyperparameters.seed))
        print(f"Validated on {len(some):,} of {len(unseen):,} faces, all those of some people.")
        unseen, people = unseen.take(some), np.unique(people[some], return_inverse=True)[1]
    protocol, sentence = protocol_for(people, settings.hyperparameters.seed)
    print(sentence)
    if protocol is None:
        return None
    images = open_crops(unseen, faces, settings.image_size, settings.crop_share)
    embed = embedder_for(network, preprocessing)
    return lambda: score(protocol, embed_many(embed, images, network.output_shape[-1]))


def _of_some_people(people: npt.NDArray[np.int64], most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The faces of as many people, drawn at random, as have no more than so many together; int64 [m], ascending."""
    counts = np.bincount(people)
    drawn = rng.permutation(len(counts))
    within = np.zeros(len(counts), bool)
    within[drawn[np.cumsum(counts[drawn]) <= most]] = True
    return np.flatnonzero(within[people])

"""A training from its settings to its files: built, or taken up where it stopped; saved and scored."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from PIL import Image

from components.common.crops import crop_of, decoded
from components.common.errors import FacenetError, UsageError
from components.common.executor import write_metrics
from components.common.manifest import Folders
from components.common.preprocessing import SCALING, Preprocessing
from components.evaluate.score import Score, protocol_for, score
from components.mine_and_train import devices, health, history, state
from components.mine_and_train.card import Shown, card
from components.mine_and_train.events import Events, write_projector
from components.mine_and_train.hardest import hardest_triplets
from components.mine_and_train.hyperparameters import record
from components.mine_and_train.losses import LOSSES
from components.mine_and_train.sampler import sample_round
from components.mine_and_train.settings import Settings
from components.mine_and_train.stopping import StoppedError, stop_requests
from components.mine_and_train.train import Training
from components.model import checkpoint
from components.model.embeddings import write_embeddings
from components.model.network import Architecture, Embedder, build
from components.model.precision import fastest, layers_in, remark
from components.model.pretrained import start_from
from components.page.pictures import thumbnail

BEST = "best"
EVENTS = "events"
_SHOWN_TRIPLETS = 6
_SECONDS_PER_LINE = 30  # in a long round


def _numbered(rows: pa.Table) -> npt.NDArray[np.int64]:
    return np.unique(rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]


def train(
    settings: Settings,
    told: dict[str, Any],
    former: state.State | None,
    rows: pa.Table,
    training_rows: pa.Table,
    faces: Folders,
) -> None:
    """Trains, or goes on with a stopped training, and writes every result.

    Args:
        settings: checked.
        told: the settings that the result depends on, as plain values.
        former: the state of a stopped training of these settings.
        rows: the dataset.
        training_rows: its train split.
        faces: the faces manifest that it points into.
    """
    strategy = devices.strategy_here()
    _check_devices(settings, strategy.num_replicas_in_sync)
    images = decoded(training_rows, faces, settings.image_size)
    labels = _numbered(training_rows)
    architecture = Architecture(settings.backbone, settings.image_size, settings.embedding_size, settings.members)
    network = _built(architecture, settings, strategy)
    start = former.settings.get("start") if former is not None else None
    if settings.pretrained and former is None:
        path = Path(settings.pretrained)
        restored = start_from(network, architecture, path)
        print("\n".join(restored.lines(path)))
        start = restored.record(path)
    # States from before networks had one of their own do not say.
    scaling = (start or {}).get("scaling", SCALING)
    preprocessing = Preprocessing(
        settings.image_size, crop_of(faces), scaling=scaling, flip_averaging=settings.flip_averaging
    )
    people = len(np.unique(labels))
    print(f"{settings.backbone}, {network.count_params():,} parameters; {len(images)} faces of {people} identities")
    least = settings.hyperparameters.identities_per_round
    if LOSSES[settings.hyperparameters.loss].mined and people < least:
        print(f"A round takes all {people} identities: there are fewer than {least}.")
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
    )
    if former is not None:
        if settings.pretrained:
            print(f"--pretrained {settings.pretrained} is left: the training has begun already.")
        _take_up(training, former, settings.training_folder)
    session = _Session(
        settings, told | {"start": start}, architecture, preprocessing, training, devices.is_chief(strategy)
    )
    ends_early = session.run(devices.agreement(strategy))
    if session.writes:
        with training.averaged():
            if ends_early:
                print(f"No better score in {settings.patience} validations: the best checkpoint is taken.")
                checkpoint.restore(network, session.folder / BEST / checkpoint.WEIGHTS)
            best = history.best(training.rounds) if ends_early else None
            kept = best or training.rounds[-1]
            session.finish(rows, faces, kept)
            session.show(images, training_rows, labels, kept)


def _built(architecture: Architecture, settings: Settings, strategy: tf.distribute.Strategy) -> keras.Model:
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


def _take_up(training: Training, former: state.State, folder: Path) -> None:
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
    people = _numbered(unseen) if len(unseen) else np.empty(0, np.int64)
    protocol, sentence = protocol_for(people, settings.hyperparameters.seed)
    print(sentence)
    if protocol is None:
        return None
    images = decoded(unseen, faces, settings.image_size)
    embed = _embedder(network, preprocessing)
    return lambda: score(protocol, embed(images))


def _embedder(network: keras.Model, preprocessing: Preprocessing) -> Embedder:
    return Embedder(network, flip_averaging=preprocessing.flip_averaging, scaling=preprocessing.scaling)


@dataclass
class _Session:
    """A training and the files that tell of it."""

    settings: Settings
    told: dict[str, Any]
    architecture: Architecture
    preprocessing: Preprocessing
    training: Training
    writes: bool
    """Whether this process writes the results: the only one, or the first of several workers."""
    warned: set[str] = field(default_factory=set)
    said: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> Path:
        return self.settings.training_folder

    def run(self, anyone: Callable[[bool], bool]) -> bool:
        """Trains to the end, to the last useful score, or to a request to stop.

        Args:
            anyone: whether any worker says yes; see `components.mine_and_train.devices.agreement`.

        Returns:
            Whether it ends early, for want of a better score.
        """
        training, settings = self.training, self.settings
        with stop_requests() as request, self._events() as events:
            # Asked here too: this training may have been stopped after its last useful score.
            if anyone(self._no_better()):
                return True
            for done in training.run():
                self._say(done)
                if done is not None:
                    self._note(done, events)
                due = done is None and training.steps % settings.save_every == 0
                stop = anyone(request.number is not None)
                ends_early = done is not None and anyone(self._no_better())
                if due or stop or ends_early or len(training.rounds) == settings.hyperparameters.rounds:
                    self._save()
                if stop:
                    raise StoppedError(request.number or signal.SIGTERM, training.steps, self.folder)
                if ends_early:
                    return True
        return False

    @contextmanager
    def _events(self) -> Iterator[Events | None]:
        if not self.writes:
            yield None
            return
        events = Events(self.folder / EVENTS, self.training.rounds)
        try:
            yield events
        finally:
            events.close()

    def _say(self, done: history.Round | None) -> None:
        """Prints a line after each round, and from time to time in a long one."""
        if done is None and time.monotonic() - self.said < _SECONDS_PER_LINE:
            return
        seen, share = (done, 1.0) if done is not None else self.training.unfinished()
        print(history.line(seen, self.settings.hyperparameters.rounds, share), flush=True)
        self.said = time.monotonic()

    def _note(self, done: history.Round, events: Events | None) -> None:
        if events is not None:
            events.add(done)
        self._keep(done)
        self._watch()

    def _save(self) -> None:
        if self.writes:
            state.save(self.folder, self.training.state(self.told))

    def _checkpoint(self, path: Path, kept: history.Round) -> None:
        told = record(self.training.hyperparameters, self.training.rounds)
        told |= {"kept_round": kept.number, "start": self.told["start"], "threads": self.told["threads"]}
        checkpoint.save(path, self.training.network, self.architecture, self.preprocessing, told)

    def _keep(self, done: history.Round) -> None:
        """Writes the history, and the checkpoints to keep after this round."""
        better = done.validation_auc is not None and (
            self.training.best is None or done.validation_auc > self.training.best
        )
        if better:
            self.training.best = done.validation_auc
        if not self.writes:
            return
        history.write(self.folder / "history.parquet", self.training.rounds)
        with self.training.averaged():
            if better:
                self._checkpoint(self.folder / BEST, done)
            if self.settings.keep_every and done.number % self.settings.keep_every == 0:
                self._checkpoint(self.folder / f"round-{done.number:05}", done)

    def _watch(self) -> None:
        found = health.diagnose(self.training.rounds, self.settings.hyperparameters.strategy.margin)
        if found is None:
            return
        if found.stops:
            raise FacenetError(
                f"The training has failed: {found.cause}.",
                received=f"round {len(self.training.rounds)}, loss {self.training.rounds[-1].loss:.4f}",
                advice=f"{found.advice} And begin anew: remove {self.folder}, or give another one with --training.",
            )
        if found.cause not in self.warned:
            self.warned.add(found.cause)
            print(f"Warning: {found.cause}. {found.advice}", flush=True)

    def _no_better(self) -> bool:
        scores = [done.validation_auc for done in self.training.rounds if done.validation_auc is not None]
        patience = self.settings.patience
        return 0 < patience < len(scores) and max(scores[-patience:]) <= max(scores[:-patience])

    def finish(self, rows: pa.Table, faces: Folders, kept: history.Round) -> None:
        """Writes the checkpoint, which holds the network of the round `kept`, and the embeddings if asked for."""
        settings = self.settings
        self._checkpoint(settings.checkpoint, kept)
        print(f"checkpoint in {settings.checkpoint}")
        embed = _embedder(self.training.network, self.preprocessing)
        if settings.embeddings:
            vectors = embed(decoded(rows, faces, settings.image_size))
            write_embeddings(settings.embeddings, rows, vectors, checkpoint.fingerprint(settings.checkpoint))
            print(f"{len(rows)} embeddings in {settings.embeddings}")

    def show(
        self, images: npt.NDArray[np.uint8], rows: pa.Table, labels: npt.NDArray[np.int64], kept: history.Round
    ) -> None:
        """Writes the card, the projector's files and the metrics.

        Args:
            images: uint8 [n, s, s, 3], the crops of the training split.
            rows: their rows of the dataset.
            labels: int64 [n], their identities.
            kept: the round whose network the checkpoint holds.
        """
        settings, rounds = self.settings, self.training.rounds
        # As the last round drew its own: of an offline one these are the very faces.
        how = settings.hyperparameters
        rng = np.random.default_rng([how.seed, len(rounds)])
        chosen = sample_round(labels, how.identities_per_round, how.faces_per_identity, rng)
        embeddings = _embedder(self.training.network, self.preprocessing)(images[chosen])
        names = rows["identity"].take(chosen).to_pylist()
        write_projector(self.folder / EVENTS, embeddings, names, images[chosen] if settings.pictures else None)

        def face(row: int) -> Shown:
            picture = thumbnail(Image.fromarray(images[chosen[row]])) if settings.pictures else ""
            return Shown(names[row], picture)

        defaults = type(settings)(input=settings.input, checkpoint=settings.checkpoint).told()
        hardest = hardest_triplets(embeddings, labels[chosen], _SHOWN_TRIPLETS)
        shown = card(rounds, kept, settings.told(), defaults, hardest, face)
        shown.write(self.folder / "card.html", None)
        shown.write(settings.html, settings.markdown)
        print(f"card in {self.folder / 'card.html'}; for TensorBoard: {self.folder / EVENTS}")
        write_metrics(settings.executor_input, history.metrics(rounds, kept, len(np.unique(labels)), len(labels)))

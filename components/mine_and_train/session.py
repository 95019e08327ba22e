"""A training from its settings to its files: built, or taken up where it stopped; saved and scored."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.common.crops import crop_of, decoded
from components.common.errors import FacenetError, UsageError
from components.common.executor import write_metrics
from components.common.manifest import Folders
from components.common.preprocessing import Preprocessing
from components.evaluate.score import Score, protocol_for, score
from components.mine_and_train import devices, health, history, state
from components.mine_and_train.card import Shown, card
from components.mine_and_train.events import Events, write_projector
from components.mine_and_train.hardest import hardest_triplets
from components.mine_and_train.heads import Classification
from components.mine_and_train.sampler import sample_round
from components.mine_and_train.train import Recipe, Training, record
from components.model import checkpoint
from components.model.embeddings import write_embeddings
from components.model.network import Architecture, Embedder, build
from components.model.pretrained import start_from
from components.page.pictures import thumbnail

if TYPE_CHECKING:
    from components.mine_and_train.__main__ import Settings

BEST = "best"
EVENTS = "events"
# Faces that the card and the projector look at: so many people with up to so many faces each.
_SHOWN_PEOPLE, _SHOWN_FACES = 100, 10
_SHOWN_TRIPLETS = 6
_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class StoppedError(FacenetError):
    """The training was told to stop, and can go on: exit code 75, or 130 after Ctrl-C."""

    def __init__(self, number: int, training: Training, folder: Path) -> None:
        super().__init__(
            "Stopped; nothing is lost.",
            received=f"{signal.Signals(number).name} after {training.steps} training steps",
            advice=f"The same command goes on from there: the state is in {folder}.",
        )
        self.exit_code = 130 if number == signal.SIGINT else 75


@dataclass
class _Request:
    """The signal that asked the training to stop, if one has."""

    number: int | None = None


@contextmanager
def _stop_requests() -> Iterator[_Request]:
    """Notes SIGTERM and Ctrl-C instead of ending at once: a step is finished, then the state is saved."""
    request = _Request()

    def note(number: int, frame: FrameType | None) -> None:
        request.number = number

    former = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _recipe(settings: Settings) -> Recipe:
    same = [name for name in Recipe.__dataclass_fields__ if name != "classification"]
    head = Classification(settings.class_head, settings.class_margin, settings.class_scale)
    return Recipe(**{name: getattr(settings, name) for name in same}, classification=head)


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
    keras.utils.clear_session()  # layers are numbered from 1 again: their names are part of the weights' file
    keras.utils.set_random_seed(settings.seed)
    architecture = Architecture(settings.backbone, settings.image_size, settings.embedding_size)
    keras.config.set_dtype_policy(_POLICY[settings.precision])
    try:
        with strategy.scope():
            network = build(architecture)
    finally:
        keras.config.set_dtype_policy("float32")
    if settings.pretrained and former is None:
        print("\n".join(start_from(network, architecture, Path(settings.pretrained))))
    people = len(np.unique(labels))
    print(f"{settings.backbone}, {network.count_params():,} parameters; {len(images)} faces of {people} identities")
    if settings.mining == "offline" and people < settings.identities_per_round:
        print(f"A round takes all {people} identities: there are fewer than {settings.identities_per_round}.")
    training = Training(
        network,
        images,
        labels,
        _recipe(settings),
        validate=_validation(settings, network, rows, faces),
        validate_every=settings.validate_every,
        strategy=strategy,
    )
    if former is not None:
        if settings.pretrained:
            print(f"--pretrained {settings.pretrained} is left: the training has begun already.")
        _take_up(training, former, settings.training_folder)
    preprocessing = Preprocessing(settings.image_size, crop_of(faces), flip_averaging=settings.flip_averaging)
    session = _Session(settings, told, architecture, preprocessing, training, devices.is_chief(strategy))
    session.run(devices.agreement(strategy))
    if session.writes:
        with training.averaged():
            session.finish(rows, faces)
            session.show(images, training_rows, labels)


def _check_devices(settings: Settings, number: int) -> None:
    if number == 1:
        return
    print(f"{number} devices share each batch; the first worker writes the results.")
    if settings.xla:
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


def _validation(settings: Settings, network: keras.Model, rows: pa.Table, faces: Folders) -> Callable[[], Score] | None:
    unseen = rows.filter(pc.equal(rows["split"], "validation"))
    protocol, sentence = protocol_for(_numbered(unseen) if len(unseen) else np.empty(0, np.int64), settings.seed)
    print(sentence)
    if protocol is None:
        return None
    images = decoded(unseen, faces, settings.image_size)
    embed = Embedder(network, flip_averaging=settings.flip_averaging)
    return lambda: score(protocol, embed(images))


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

    @property
    def folder(self) -> Path:
        return self.settings.training_folder

    def run(self, anyone: Callable[[bool], bool]) -> None:
        """Trains to the end, to the last useful score, or to a request to stop.

        Args:
            anyone: whether any worker says yes; see `components.mine_and_train.devices.agreement`.
        """
        training, settings = self.training, self.settings
        with _stop_requests() as request, self._events() as events:
            for done in training.run():
                if done is not None:
                    self._tell(done, events)
                due = done is None and training.steps % settings.save_every == 0
                stop = anyone(request.number is not None)
                if due or stop or len(training.rounds) == settings.rounds:
                    self._save()
                if stop:
                    raise StoppedError(request.number or signal.SIGTERM, training, self.folder)
                if done is not None and anyone(self._no_better()):
                    print(f"No better score in {settings.patience} validations: the best checkpoint is taken.")
                    self._save()
                    checkpoint.restore(training.network, self.folder / BEST / checkpoint.WEIGHTS)
                    return

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

    def _tell(self, done: history.Round, events: Events | None) -> None:
        print(history.line(done, self.settings.rounds), flush=True)
        if events is not None:
            events.add(done)
        self._keep(done)
        self._watch()

    def _save(self) -> None:
        if self.writes:
            state.save(self.folder, self.training.state(self.told))

    def _checkpoint(self, path: Path) -> None:
        told = record(self.training.recipe, self.training.rounds)
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
                self._checkpoint(self.folder / BEST)
            if self.settings.keep_every and done.number % self.settings.keep_every == 0:
                self._checkpoint(self.folder / f"round-{done.number:05}")

    def _watch(self) -> None:
        found = health.diagnose(self.training.rounds, self.settings.strategy.margin)
        if found is None:
            return
        if found.stops:
            raise FacenetError(
                f"The training has failed: {found.cause}.",
                received=f"round {len(self.training.rounds)}, loss {self.training.rounds[-1].loss:.4f}",
                advice=found.advice,
            )
        if found.cause not in self.warned:
            self.warned.add(found.cause)
            print(f"Warning: {found.cause}. {found.advice}", flush=True)

    def _no_better(self) -> bool:
        scores = [done.validation_auc for done in self.training.rounds if done.validation_auc is not None]
        patience = self.settings.patience
        return 0 < patience < len(scores) and max(scores[-patience:]) <= max(scores[:-patience])

    def finish(self, rows: pa.Table, faces: Folders) -> None:
        """Writes the checkpoint, and the embeddings if asked for."""
        settings = self.settings
        self._checkpoint(settings.checkpoint)
        print(f"checkpoint in {settings.checkpoint}")
        embed = Embedder(self.training.network, flip_averaging=settings.flip_averaging)
        if settings.embeddings:
            vectors = embed(decoded(rows, faces, settings.image_size))
            write_embeddings(settings.embeddings, rows, vectors, checkpoint.fingerprint(settings.checkpoint))
            print(f"{len(rows)} embeddings in {settings.embeddings}")

    def show(self, images: npt.NDArray[np.uint8], rows: pa.Table, labels: npt.NDArray[np.int64]) -> None:
        """Writes the card, the projector's files and the metrics.

        Args:
            images: uint8 [n, s, s, 3], the crops of the training split.
            rows: their rows of the dataset.
            labels: int64 [n], their identities.
        """
        settings, rounds = self.settings, self.training.rounds
        chosen = sample_round(labels, _SHOWN_PEOPLE, _SHOWN_FACES, np.random.default_rng([settings.seed, len(rounds)]))
        embeddings = Embedder(self.training.network, flip_averaging=settings.flip_averaging)(images[chosen])
        names = rows["identity"].take(chosen).to_pylist()
        write_projector(self.folder / EVENTS, embeddings, names, images[chosen] if settings.pictures else None)

        def face(row: int) -> Shown:
            picture = thumbnail(Image.fromarray(images[chosen[row]])) if settings.pictures else ""
            return Shown(names[row], picture)

        defaults = type(settings)(input=settings.input, checkpoint=settings.checkpoint).told()
        hardest = hardest_triplets(embeddings, labels[chosen], _SHOWN_TRIPLETS)
        shown = card(rounds, settings.told(), defaults, hardest, face)
        shown.write(self.folder / "card.html", None)
        shown.write(settings.html, settings.markdown)
        print(f"card in {self.folder / 'card.html'}; for TensorBoard: {self.folder / EVENTS}")
        write_metrics(settings.executor_input, _metrics(rounds, len(np.unique(labels)), len(labels)))


def _metrics(rounds: list[history.Round], identities: int, faces: int) -> dict[str, float | int]:
    last = rounds[-1]
    told: dict[str, float | int] = {
        "rounds": len(rounds),
        "identities": identities,
        "faces": faces,
        "triplets_mined": sum(done.triplets_found for done in rounds),
        "triplets_trained": sum(done.triplets_trained for done in rounds),
        "loss": last.loss,
    }
    if last.validation_accuracy is not None and last.validation_auc is not None:
        told |= {"validation_accuracy": last.validation_accuracy, "validation_auc": last.validation_auc}
    return told

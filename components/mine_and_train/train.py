"""The core loop: sample, embed, mine, make one pass over what was mined; again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice, tee
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.common.batches import Images, ManyImages, ahead
from components.common.preprocessing import SCALING
from components.evaluate.score import Score
from components.mine_and_train import optimizer as optimizers
from components.mine_and_train.batches import batches
from components.mine_and_train.devices import SharedEmbedder, see_whole_batches
from components.mine_and_train.history import Round, as_it_started, validation
from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.losses.loss import StepMetrics
from components.mine_and_train.mining import mine
from components.mine_and_train.phases import Phase, build_phases
from components.mine_and_train.sampler import sample_batches, sample_faces, sample_round
from components.mine_and_train.state import State
from components.mine_and_train.statistics import TO_KEEP, TO_MINE, Statistics
from components.model.network import Embedder

Labels = npt.NDArray[np.int64]
_COLUMNS = len(StepMetrics._fields) + 1  # of what is kept of a step: its metrics, and how many images it pushed


@dataclass(frozen=True)
class _Sampled:
    """What an offline round looks at: how many images, how many triplets among them, and how many of those it kept."""

    images: int
    mined: int
    kept: int


@dataclass(frozen=True)
class _Batch:
    """Indices of the round's images, and what the loss wants to know of them."""

    images: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32] | npt.NDArray[np.float32]


class Training:
    """A training: a network, its optimisers, and how far they have come.

    What a round does depends on the seed, the round's number and the embeddings it was mined from, and on no random
    state besides: a training that was stopped goes on from its `state` to the same weights, bit for bit.

    Args:
        network: as `components.model.network.build` makes it; trained in place.
        images: uint8 [n, s, s, 3], the crops of the training split, in memory or decoded when they are asked for.
        labels: int64 [n], their identities, numbered from 0.
        hyperparameters: how to train.
        validate: scores the network; called by `run` after every `validate_every` rounds and after the last.
        validate_every: in rounds.
        strategy: of `components.mine_and_train.devices`, in whose scope the network was built; one device when None.
        members: of the network's architecture.
        scaling: what the network sees of pixels; see `Preprocessing`.
        taught: float32 [n, size], unit length: a teacher's embeddings of the images, to learn instead of the labels.
    """

    def __init__(
        self,
        network: keras.Model,
        images: ManyImages,
        labels: Labels,
        hyperparameters: Hyperparameters,
        *,
        validate: Callable[[], Score] | None = None,
        validate_every: int = 1,
        strategy: tf.distribute.Strategy | None = None,
        members: int = 1,
        scaling: str = SCALING,
        taught: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.network, self.hyperparameters = network, hyperparameters
        self.start: Round | None = None
        self.rounds: list[Round] = []
        self.steps = 0
        self.best: float | None = None
        self._images, self._labels, self._taught = images, labels, taught
        self._validate, self._validate_every = validate, validate_every
        self._strategy = strategy or tf.distribute.get_strategy()
        self._embed: Callable[[Images], npt.NDArray[np.float32]]
        if self._strategy.num_replicas_in_sync > 1:
            see_whole_batches(network)
            self._embed = SharedEmbedder(network, hyperparameters.batch_size, self._strategy, scaling)
        else:
            self._embed = Embedder(network, hyperparameters.batch_size, scaling=scaling)
        self._statistics = Statistics(
            network, images, labels, hyperparameters.batch_size, hyperparameters.seed, scaling
        )
        self._measured: list[npt.NDArray[np.float32]] = []
        self._embeddings: npt.NDArray[np.float32] | None = None
        self._sampled: _Sampled | None = None
        self._seconds = 0.0
        with self._strategy.scope():
            size = None if taught is None else taught.shape[1]
            people = int(labels.max()) + 1
            phases = build_phases(network, hyperparameters, people, members, self._strategy, scaling, size)
            self._phases = list(phases)

    def run(self, until: int | None = None) -> Iterator[Round | None]:
        """Trains to the last round, yielding None after a step and the record of a round after its last.

        Args:
            until: the round to end after, by the schedule of all of them; the last when None.
        """
        last = self.hyperparameters.rounds if until is None else until
        while len(self.rounds) < last:
            number = len(self.rounds) + 1
            phase = self._phase_of(number)
            began = time.perf_counter() - self._seconds
            self._sampled, images, steps = self._batches_of(number, phase)
            done_before = len(self._measured)  # of this round, before the training was stopped
            steps, coming = tee(islice(steps, done_before, self.hyperparameters.max_batches))
            seen = ahead(images, (batch.images for batch in coming))
            for index, (batch, pixels) in enumerate(zip(steps, seen, strict=True), done_before):
                progress = (number - 1 + index / self.hyperparameters.max_batches) / self.hyperparameters.rounds
                phase.optimizer.learning_rate.assign(optimizers.rate(self.hyperparameters.optimization, progress))
                seed = np.random.default_rng([self.hyperparameters.seed, number, index]).integers(2**31, size=2)
                measured = phase.step(pixels, batch.targets, seed.astype(np.int32))
                self._measured.append(np.array([*map(float, measured), len(batch.images)], np.float32))
                self.steps += 1
                self._seconds = time.perf_counter() - began
                yield None
            self._seconds = time.perf_counter() - began
            done = self._record(self._score(number))
            self.rounds.append(done)
            self._measured, self._embeddings, self._seconds = [], None, 0.0
            yield done

    def score_start(self) -> Round:
        """Scores the network as it starts, before any step: BatchNorm's statistics are those that it came with."""
        self.start = as_it_started(self._validate() if self._validate else None)
        return self.start

    def score_last(self) -> bool:
        """Scores the last round with the network as it is, if that was not done; whether it was done now."""
        if self._validate is None or not self.rounds or self.rounds[-1].validation_auc is not None:
            return False
        self.rounds[-1] = replace(self.rounds[-1], **validation(self._validate()))
        return True

    @property
    def from_start(self) -> list[Round]:
        """The rounds, and before them the network as it started, where that is known."""
        return [self.start, *self.rounds] if self.start else self.rounds

    def _batches_of(self, number: int, phase: Phase) -> tuple[_Sampled | None, ManyImages, Iterator[_Batch]]:
        """What a round looks at, if it mines offline; its images; and its batches of them."""
        how = self.hyperparameters
        # A generator of its own for each round: what a round does depends on its number, not on the rounds before.
        rng = np.random.default_rng([how.seed, number])
        if self._taught is not None:
            taught, drawn = self._taught, sample_faces(len(self._labels), how.batch_size, rng)
            return None, self._images, (_Batch(images, taught[images]) for images in drawn)
        if not phase.objective.mined:
            if phase.objective.classified:
                drawn = sample_faces(len(self._labels), how.batch_size, rng)
            else:
                drawn = sample_batches(self._labels, how.batch_size, how.faces_per_identity, rng)
            steps = (_Batch(images, self._labels[images].astype(np.int32)) for images in drawn)
            return None, self._images, steps
        chosen = sample_round(self._labels, how.identities_per_round, how.faces_per_identity, rng)
        images = self._images[chosen]  # decoded once for the round
        if self._embeddings is None:
            self._statistics.gather(TO_MINE)
            self._embeddings = self._embed(images)
        mined = mine(self._embeddings, self._labels[chosen], how.strategy, rng, how.max_triplets)
        packed = batches(mined.triplets, self._labels[chosen], how.batch_size, rng)
        sampled = _Sampled(len(chosen), mined.total, len(mined.triplets))
        return sampled, images, (_Batch(batch.images, batch.triplets) for batch in packed)

    def unfinished(self) -> tuple[Round, float]:
        """The round under way as far as it has come, and the share that is done of the steps it may take."""
        return self._record(None), len(self._measured) / self.hyperparameters.max_batches

    def _record(self, score: Score | None) -> Round:
        number = len(self.rounds) + 1
        phase = self._phase_of(number)
        measured = np.array(self._measured, np.float64).reshape(-1, _COLUMNS)
        *sums, pushed = measured.sum(axis=0)
        mean = StepMetrics(*(measured[:, :-1].mean(axis=0) if len(measured) else sums))
        trained = {phase.objective.terms: int(StepMetrics(*sums).terms)}
        triplets = trained.get("triplets", 0)
        sampled = self._sampled or _Sampled(int(pushed), triplets, triplets)
        spread = mean.spread
        if not len(measured) and self._embeddings is not None:  # no triplet, no step
            centre = self._embeddings.mean(axis=0)
            spread = 2 - 2 * centre @ centre
        return Round(
            number=number,
            step=self.steps,
            phase=phase.objective.phase,
            images=sampled.images,
            triplets_found=sampled.mined,
            triplets_kept=sampled.kept,
            triplets_trained=triplets,
            pairs_trained=trained.get("pairs", 0),
            active=float(mean.active),
            loss=float(mean.loss),
            positive_distance=float(mean.positive),
            negative_distance=float(mean.negative),
            spread=float(spread),
            learning_rate=float(phase.optimizer.learning_rate.numpy()),
            images_per_second=float(pushed) / self._seconds if self._seconds else 0.0,
            seconds=self._seconds,
            **validation(score),
        )

    def _phase_of(self, number: int) -> Phase:
        return self._phases[0 if number <= self.hyperparameters.classification_rounds else -1]

    def _score(self, number: int) -> Score | None:
        if self._validate is None or (number % self._validate_every and number < self.hyperparameters.rounds):
            return None
        with self.evaluation_weights(number):
            return self._validate()

    @contextmanager
    def evaluation_weights(self, number: int | None = None) -> Iterator[None]:
        """A context in which the network has the weights to evaluate and keep: their moving average, if asked for.

        BatchNorm's statistics are those of these weights, gathered anew; before the first round they are what they are.

        Args:
            number: of the round that they come from; the last that is done when None.
        """
        number = number or len(self.rounds)
        if not number:
            yield
            return
        phase = self._phase_of(number)
        with optimizers.averaged_weights(phase.optimizer, self.network):
            self._statistics.gather(TO_KEEP)
            yield

    def _variables(self) -> dict[str, Any]:
        """Every variable by a name that does not depend on how often a network was built in this process."""
        variables = {f"network.{number}": variable for number, variable in enumerate(self.network.weights)}
        for phase in self._phases:
            for number, variable in enumerate(phase.optimizer.variables):
                variables[f"{phase.objective.phase}.optimizer.{number}"] = variable
            for number, variable in enumerate(phase.head):
                variables[f"{phase.objective.phase}.head.{number}"] = variable
        return variables

    def state(self, settings: dict[str, Any]) -> State:
        """The state to go on from; `settings` are those that the training was started with."""
        arrays = {name: np.asarray(variable) for name, variable in self._variables().items()}
        if self._embeddings is not None:
            arrays["embeddings"] = self._embeddings
        return State(
            settings=settings,
            rounds=[asdict(done) for done in self.rounds],
            batches=len(self._measured),
            steps=self.steps,
            measured=np.array(self._measured, np.float32).reshape(-1, _COLUMNS),
            seconds=self._seconds,
            best=self.best,
            start=asdict(self.start) if self.start else None,
            arrays=arrays,
        )

    def go_on_from(self, state: State) -> None:
        """Takes up a stopped training. The state's arrays leave it one by one: a large head must not be held twice.

        Raises:
            ValueError: the state is of another network or other optimisers.
        """
        variables = self._variables()
        self._embeddings = state.arrays.pop("embeddings", None)
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        if {name: array.shape for name, array in state.arrays.items()} != shapes:
            raise ValueError("its variables are not those of the network and its optimiser")
        for name, variable in variables.items():
            array = state.arrays.pop(name)
            if isinstance(variable, np.ndarray):
                variable[...] = array
            else:
                variable.assign(array)
        self.start = Round(**state.start) if state.start else None
        self.rounds = [Round(**done) for done in state.rounds]
        self.steps, self.best, self._seconds = state.steps, state.best, state.seconds
        self._measured = list(state.measured)

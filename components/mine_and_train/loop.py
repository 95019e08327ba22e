"""The loop of a training: printed as lines, watched, saved, and ended where nothing is lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.common.preprocessing import Preprocessing
from components.mine_and_train import health, history, state
from components.mine_and_train.events import Events
from components.mine_and_train.hyperparameters import record
from components.mine_and_train.settings import Settings
from components.mine_and_train.stopping import FailedTrainingError, StoppedError, stop_requests
from components.mine_and_train.train import Training
from components.model import checkpoint
from components.model.network import Architecture

BEST = "best"
EVENTS = "events"
HISTORY = "history.parquet"
_SECONDS_PER_LINE = 30  # in a long round


@dataclass
class TrainingLoop:
    """A training, and what it leaves in its folder.

    Args:
        settings: checked.
        config: the settings that the result depends on, and what the network started from, as plain values.
        architecture: of the network.
        preprocessing: of its images.
        training: begun, or taken up where it stopped.
        writes: whether this process writes the results: the only one, or the first of several workers.
    """

    settings: Settings
    config: dict[str, Any]
    architecture: Architecture
    preprocessing: Preprocessing
    training: Training
    writes: bool
    warned: set[str] = field(default_factory=set)
    printed: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> Path:
        """Where its state, checkpoints and history lie."""
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
            if anyone(self._patience_is_over()):
                return True
            if self.config["start"] and training.start is None and not training.steps:
                self._score_start()
            for done in training.run(settings.last_round):
                self._print_progress(done)
                if done is not None:
                    self._finish_round(done, events)
                due = done is None and training.steps % settings.save_every == 0
                stop = anyone(request.number is not None)
                ends_early = done is not None and anyone(self._patience_is_over())
                if due or stop or ends_early or len(training.rounds) == settings.last_round:
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

    def _score_start(self) -> None:
        start = self.training.score_start()
        if start.validation_auc is not None:
            print(f"as it started{history.scores(start)}", flush=True)
            self._keep_better(start)

    def _print_progress(self, done: history.Round | None) -> None:
        """Prints a line after each round, and from time to time in a long one."""
        if done is None and time.monotonic() - self.printed < _SECONDS_PER_LINE:
            return
        seen, share = (done, 1.0) if done is not None else self.training.unfinished()
        print(history.line(seen, self.settings.hyperparameters.rounds, share), flush=True)
        self.printed = time.monotonic()

    def _finish_round(self, done: history.Round, events: Events | None) -> None:
        if events is not None:
            events.add(done)
        self._write_history(done)
        self._check_health()

    def score_last(self) -> None:
        """Scores the last round where that was not to be done yet; called in its evaluation weights.

        After the state was saved, and not for --patience to see when the training goes on: what comes of it does not
        depend on where it ended in between.
        """
        if self.training.score_last() and self.writes:
            history.write(self.folder / HISTORY, self.training.rounds)

    def _save(self) -> None:
        if self.writes:
            state.save(self.folder, self.training.state(self.config))

    def write_checkpoint(self, path: Path, kept: history.Round) -> None:
        """Writes the network as it is: that of the round `kept`."""
        description = record(self.training.hyperparameters, self.training.rounds)
        description |= {"kept_round": kept.number, "start": self.config["start"], "threads": self.config["threads"]}
        if self.training.start is not None:
            description["as_it_started"] = {
                name: value for name, value in asdict(self.training.start).items() if name.startswith("validation_")
            }
        if self.settings.trial:
            description["trial"] = self.settings.trial
        if "teacher" in self.config:
            description |= {"teacher": self.config["teacher"]}
        checkpoint.save(path, self.training.network, self.architecture, self.preprocessing, description)

    def _write_history(self, done: history.Round) -> None:
        """Writes the history, and the checkpoints to keep after this round."""
        if self.writes:
            history.write(self.folder / HISTORY, self.training.rounds)
        with self.training.evaluation_weights():
            self._keep_better(done)
            if self.writes and self.settings.keep_every and done.number % self.settings.keep_every == 0:
                self.write_checkpoint(self.folder / f"round-{done.number:05}", done)

    def _keep_better(self, done: history.Round) -> None:
        """Writes the best checkpoint if the network, now that of the round `done`, is better than the one there."""
        if done.validation_auc is None or (
            self.training.best is not None and done.validation_auc <= self.training.best
        ):
            return
        self.training.best = done.validation_auc
        if self.writes:
            self.write_checkpoint(self.folder / BEST, done)

    def _check_health(self) -> None:
        diagnosis = health.diagnose(self.training.rounds, self.settings.hyperparameters.strategy.margin)
        if diagnosis is None:
            return
        if diagnosis.stops:
            raise FailedTrainingError(
                f"The training has failed: {diagnosis.cause}.",
                received=f"round {len(self.training.rounds)}, loss {self.training.rounds[-1].loss:.4f}",
                advice=f"{diagnosis.advice} And begin anew: remove {self.folder}, or give another one with --training.",
            )
        if diagnosis.cause not in self.warned:
            self.warned.add(diagnosis.cause)
            print(f"Warning: {diagnosis.cause}. {diagnosis.advice}", flush=True)

    def _patience_is_over(self) -> bool:
        scores = [done.validation_auc for done in self.training.from_start if done.validation_auc is not None]
        patience = self.settings.patience
        return 0 < patience < len(scores) and max(scores[-patience:]) <= max(scores[:-patience])

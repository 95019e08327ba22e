"""Requests to stop a training, and the errors that end it: where nothing is lost, and where nothing can come of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from components.common.command import FAILED_TRAINING, RESUMABLE
from components.common.errors import FacenetError


class StoppedError(FacenetError):
    """The training was asked to stop, and can go on: exit code 75, or 130 after Ctrl-C."""

    def __init__(self, number: int, steps: int, folder: Path) -> None:
        super().__init__(
            "Stopped; nothing is lost.",
            received=f"{signal.Signals(number).name} after {steps} training steps",
            advice=f"The same command goes on from there: the state is in {folder}.",
        )
        self.exit_code = 130 if number == signal.SIGINT else RESUMABLE


class FailedTrainingError(FacenetError):
    """The training came to nothing, by its settings: no other attempt at the same would end otherwise."""

    exit_code = FAILED_TRAINING


@dataclass
class Request:
    """The signal that asked the training to stop, if one has."""

    number: int | None = None


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Keeps SIGTERM and Ctrl-C from ending the process at once: the step is finished and the state saved first."""
    request = Request()

    def remember(number: int, frame: FrameType | None) -> None:
        request.number = number

    former = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

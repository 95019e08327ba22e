"""`facenet tensorboard`: TensorBoard on what the training of a run wrote for it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import RUNS, Flag, Runs
from pipelines.look import history
from pipelines.look.find import find_run
from pipelines.records.folder import LATEST
from pipelines.records.summary import short_path


@dataclass(frozen=True)
class Settings:
    """Start TensorBoard on the events of a run's training: its curves, and its embeddings in the projector."""

    run: Annotated[str, Flag("RUN", positional=True)] = LATEST
    """The run whose training is shown: its id, or latest."""
    runs: Runs = RUNS
    port: int = 6006
    """The port that TensorBoard listens on, on this machine only."""


def events(folder: Path, run: history.Run) -> Path:
    """The folder of the events that the training of a run wrote, or of the run that answered for it.

    Raises:
        UsageError: there are none.
    """
    for task in history.tasks(folder, run):
        made_by = task.origin["run"] if task.origin else run.record.id
        for file in sorted((folder / made_by / task.task).rglob("*.tfevents.*")):
            return file.parent
    raise UsageError(
        "This run has no events for TensorBoard.",
        received=run.record.id,
        advice="The training writes them after its first round, in every run that trains.",
    )


def _start(settings: Settings) -> None:
    folder = settings.runs.absolute()
    logs = events(folder, find_run(folder, settings.run))
    if importlib.util.find_spec("tensorboard") is None:
        raise FacenetError(
            "TensorBoard is not installed.",
            received=f"the events are in {short_path(logs)}",
            advice=f"Install it: {short_path(Path(sys.executable))} -m pip install tensorboard",
        )
    words = ["-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port", str(settings.port)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _start, argv, prog="facenet tensorboard")


if __name__ == "__main__":
    sys.exit(main())

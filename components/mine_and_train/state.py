"""The state of a training: all it takes to go on as if it had never stopped, in one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.atomic import new_file
from components.common.errors import UsageError
from components.common.preprocessing import Crop

FORMAT = 1
FILE = "state.npz"
_RECORD = "record.json"
_ADVICE = "Remove the folder to begin anew, or give another one with --training."


@dataclass(frozen=True)
class State:
    """What a stopped training goes on from.

    Args:
        settings: that the training was started with, as plain values.
        rounds: the records of the rounds done, as plain values.
        batches: training steps done of the round after them.
        steps: training steps done in all.
        measured: float32 [batches, 7], what those steps of the unfinished round saw: `losses.loss.StepMetrics`, and
            how many images.
        seconds: spent on the unfinished round.
        best: the best validation score so far; None when there was none.
        arrays: by name: the network's variables, the optimisers', the head's, and the embeddings that the
            unfinished round was mined from.
        start: the record of the network as it started; None where it was not scored.
    """

    settings: dict[str, Any]
    rounds: list[dict[str, Any]]
    batches: int
    steps: int
    measured: npt.NDArray[np.float32]
    seconds: float
    best: float | None
    arrays: dict[str, npt.NDArray[Any]]
    start: dict[str, Any] | None = None


def save(folder: Path, state: State) -> None:
    """Writes the state, atomically: a reader, or a process that comes after a kill, sees the former or this one."""
    record = {
        "format": FORMAT,
        **{
            name: getattr(state, name)
            for name in ("settings", "rounds", "batches", "steps", "seconds", "best", "start")
        },
    }
    text = np.frombuffer(json.dumps(record).encode(), np.uint8)
    arrays: dict[str, Any] = {_RECORD: text, "measured": state.measured, **state.arrays}
    with new_file(folder / FILE) as file:
        np.savez(file, **arrays)


def load(folder: Path) -> State | None:
    """Reads the state of a training; None when there is none.

    Raises:
        UsageError: the file is damaged, or from another version of this program.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        with np.load(file) as stored:  # refuses pickled objects
            arrays = {name: stored[name] for name in stored.files}
        record = json.loads(arrays.pop(_RECORD).tobytes())
        if record.pop("format") != FORMAT:
            raise ValueError("another format")
        if "crop" in (settings := record["settings"]):  # by the names that alignments have now
            settings["crop"] = asdict(Crop.from_json(settings["crop"]))
        return State(measured=arrays.pop("measured"), arrays=arrays, **record)
    except Exception as error:  # NumPy, zipfile and Python's own tokenizer, which NumPy asks, raise whatever they met
        raise UsageError(
            "The state of the training cannot be read.", received=f"{file} ({error})", advice=_ADVICE
        ) from error


def changes(state: State, settings: dict[str, Any], fixed: frozenset[str]) -> list[str]:
    """Compares the settings of a training with those to go on with.

    Args:
        state: of the training.
        settings: to go on with.
        fixed: names of the settings that a training cannot change once it has begun.

    Returns:
        A line for each setting that differs and may.

    Raises:
        UsageError: a setting of `fixed` differs.
    """
    different = {
        name: (state.settings.get(name), value) for name, value in settings.items() if state.settings.get(name) != value
    }
    refused = [f"{name} {was} -> {now}" for name, (was, now) in different.items() if name in fixed]
    if refused:
        raise UsageError(
            "A training cannot go on with other values of these settings.", received="; ".join(refused), advice=_ADVICE
        )
    return [f"Going on with {name} {now}; it was {was}." for name, (was, now) in different.items()]


def without_unfinished_round(state: State) -> State:
    """The same state without the unfinished round: for settings with which that round would have other batches."""
    arrays = {name: array for name, array in state.arrays.items() if name != "embeddings"}
    return replace(state, batches=0, measured=state.measured[:0], seconds=0.0, arrays=arrays)

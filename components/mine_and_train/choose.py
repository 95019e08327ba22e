"""`python -m components.mine_and_train choose`: of several checkpoints the best, and the trials that go on.

On a cluster it stands between the rungs of a search, and after the last one; `pipelines/tuning` does the same on one
machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.atomic import new_directory, write_file
from components.common.command import run
from components.common.errors import MALFORMED, FacenetError, UsageError, reason_of
from components.common.executor import inputs
from components.common.flags import Checkpoint, ExecutorInput
from components.common.records import read_json
from components.mine_and_train.trial import settings_of
from components.model.checkpoint import DESCRIPTION, FILES

_TOGETHER = "A pipeline of `facenet compile --search` says all of this; compile it again where it was changed."


@dataclass(frozen=True)
class Settings:
    """Choose among checkpoints of trials by the people who were held out for validation."""

    checkpoint: Checkpoint
    """Where the best one goes."""
    going: Path
    """The file for the trials that go on: a JSON list of what each is in the next rung."""
    by: str
    """The score that decides, such as validation_auc."""
    these: str
    """The trials of this rung: a JSON list of what each got as --trial."""
    next: str
    """What each of them, in the same order, is to get in the next rung; an empty list after the last one."""
    keep: int
    """How many go on."""
    executor_input: ExecutorInput = ""


def _choose(settings: Settings) -> None:
    these, following = (_trials(text) for text in (settings.these, settings.next))
    found = {}
    for folder in inputs(settings.executor_input, "checkpoints", (), "--executor_input"):
        trial, score = _read(folder, settings.by)
        if trial not in these:
            raise UsageError(
                "A checkpoint is of none of these trials.", received=f"{folder}: {trial}", advice=_TOGETHER
            )
        found[these.index(trial)] = (score, folder)
    # As `pipelines/tuning` ranks them: of equal ones the earlier trial.
    ranked = sorted(found, key=lambda place: (-found[place][0], place))
    with new_directory(settings.checkpoint, FILES) as aside:
        shutil.copytree(found[ranked[0]][1], aside, dirs_exist_ok=True)
    going = [following[place] for place in sorted(ranked[: settings.keep])] if following else []
    write_file(settings.going, json.dumps(going))
    for place in ranked:
        print(f"{found[place][0]:.6f}  {these[place]}")


def _trials(text: str) -> list[str]:
    trials = read_json(text)
    if not isinstance(trials, list) or not all(isinstance(one, str) for one in trials):
        raise UsageError("Trials are a JSON list of texts.", received=text[:200], advice=_TOGETHER)
    return trials


def _read(folder: Path, by: str) -> tuple[str, float]:
    """The trial that a checkpoint is of, as it was given, and the score of the round that was kept."""
    try:
        training: dict[str, Any] = read_json((folder / DESCRIPTION).read_bytes())["training"]
        rounds = {done["number"]: done for done in training["rounds"]} | {0: training.get("as_it_started", {})}
        trial, score = training["trial"], rounds[training["kept_round"]][by]
        settings_of(trial)
    except (OSError, *MALFORMED) as error:
        raise UsageError(
            "This is no checkpoint of a trial.", received=f"{folder} ({reason_of(error)})", advice=_TOGETHER
        ) from error
    if not isinstance(score, int | float):
        raise FacenetError(
            "A training has no score of people held out for validation.",
            received=f"{folder}: {by}",
            advice="Hold more people out: collect.validation.",
        )
    return trial, float(f"{score:.6g}")  # as many digits as a run on one machine reports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _choose, argv, prog="facenet mine-and-train choose")

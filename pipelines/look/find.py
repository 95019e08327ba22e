"""Finds what people name: `RUN`, `RUN/TASK`, `RUN/TASK/ARTIFACT`, and further a file in an artifact's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import UsageError
from components.common.names import plain
from components.common.suggest import near
from components.verify.runs import by_age
from pipelines.look import history
from pipelines.look.history import RecordedArtifact, Run
from pipelines.records.files import RUN_FILE
from pipelines.records.folder import LATEST
from pipelines.records.record import TaskRecord

_LISTED = 5


@dataclass(frozen=True)
class Selection:
    """What a person asked for: a run, a task of it, an artifact of that, a file in its folder.

    Args:
        run: the run.
        task: the task; None when only a run was asked for.
        artifact: the artifact; None when none was asked for.
        inside: the path of the file or folder in the artifact; "" for the artifact itself.
    """

    run: Run
    task: TaskRecord | None = None
    artifact: RecordedArtifact | None = None
    inside: str = ""

    @property
    def path(self) -> Path | None:
        """Where the artifact, or what is asked for of it, lies. Whether it is inside the runs folder: `preview`."""
        return self.artifact.path / self.inside if self.artifact else None


def find(folder: Path, text: str) -> Selection:
    """Finds what a person asks for.

    Args:
        folder: the runs folder.
        text: `RUN[/TASK[/ARTIFACT[/FILE]]]`; the run as `find_run` takes it.

    Raises:
        UsageError: there is none of that name; with what there is.
    """
    name, *rest = text.strip("/").split("/", 3)
    run = find_run(folder, name)
    if not rest:
        return Selection(run)
    task_name, *rest = rest
    if task_name not in run.record.tasks:
        raise _unknown("The run has no such task.", f"{task_name} of run {run.record.id}", task_name, run.record.tasks)
    task = history.task(folder, run, task_name)
    if not rest:
        return Selection(run, task)
    made = {artifact.name: artifact for artifact in history.artifacts(folder, task)}
    if rest[0] not in made:
        received = f"{rest[0]} of {task_name}, which is {task.state}"
        raise _unknown("The task has no such artifact.", received, rest[0], list(made))
    return Selection(run, task, made[rest[0]], "".join(rest[1:]))


def find_run(folder: Path, name: str) -> Run:
    """Finds a run.

    Args:
        folder: the runs folder.
        name: a run's id, or `latest`: the run that the link of this name leads to; without one, the newest run.

    Raises:
        UsageError: there is no runs folder, or no run of that name; with those there are.
    """
    names = history.run_names(folder)
    for wanted in _latest(folder) if name == LATEST else [name]:
        if wanted in names and (run := history.run(folder, wanted)):
            return run
    known = [one for one in names if (folder / one / RUN_FILE).exists()]
    raise _unknown("There is no such run.", f"{name} in {folder}", name, [*([LATEST] if known else []), *known])


def _latest(folder: Path) -> Iterator[str]:
    """The names that `latest` may mean, the likeliest first."""
    yield os.path.basename(os.path.realpath(folder / LATEST))  # noqa: PTH119
    yield from (run.name for run, record in by_age(folder) if record)


def _unknown(headline: str, received: str, name: str, known: Sequence[str]) -> UsageError:
    alike = near(name, known)
    if alike:
        advice = f"Did you mean {' or '.join(alike)}?"
    else:
        more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
        advice = f"Known: {', '.join(known[:_LISTED])}{more}." if known else "There is none yet."
    return UsageError(headline, received=received, advice=plain(advice))

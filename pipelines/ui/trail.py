"""Where a page is, as the links that lead back from it."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.look.history import RecordedArtifact, Run
from pipelines.records.record import TaskRecord
from pipelines.ui.words import of

# What each link is called, and its address.
Trail = Sequence[tuple[str, str]]


def steps(run: Run, task: TaskRecord, artifact: RecordedArtifact, within: str) -> Trail:
    """The way from an artifact to what lies in it."""
    names = [artifact.name, *filter(None, within.split("/"))]
    return [(name, of("/".join([task.task, *names[: number + 1]]), run)) for number, name in enumerate(names)]


def place(run: Run, task: TaskRecord | None = None) -> tuple[str, str]:
    """Where a page is, for the way back to it."""
    if task is None:
        return run.record.id, f"/runs/{run.record.id}"
    return task.label, of(task.task, run)

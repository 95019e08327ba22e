"""The end of a run, in plain text: what was found, learned and scored, how long it took, and what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipelines import description
from pipelines.records.record import CACHED, RunRecord, TaskRecord


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `3 min 12 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def short_path(path: Path) -> str:
    """A path as one would type it here: relative when it lies below the working folder."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def command(*words: str) -> str:
    """A command of this program as one types it here: by the way in which this process was started."""
    started = Path(sys.argv[0])
    if started.name == "cli.py":  # python -m pipelines.cli
        return shlex.join([short_path(Path(sys.executable)), "-m", "pipelines.cli", *words])
    on_path = shutil.which("facenet")
    if started.name != "facenet" or (on_path and started.exists() and started.samefile(on_path)):
        return shlex.join(["facenet", *words])
    return shlex.join([short_path(started.absolute()), *words])


def _metrics(tasks: Mapping[str, TaskRecord], template: str) -> dict[str, Any]:
    """The numbers of a task; of its shards, added up."""
    added: dict[str, Any] = {}
    for task in tasks.values():
        if template in (task.task, task.template):
            for name, value in task.metrics.items():
                added[name] = added[name] + value if name in added else value
    return added


def _times(tasks: Sequence[TaskRecord]) -> list[str]:
    ran = [task for task in tasks if task.seconds is not None and task.log]
    width = max((len(task.label) for task in ran), default=0)
    lines = []
    for task in ran:
        if task.state == CACHED and task.origin:
            text = f"{duration(task.origin['seconds'] or 0.0)}  cached, not run again"
        else:
            text = f"{duration(task.seconds or 0.0)}  {'' if task.state == 'succeeded' else task.state}"
        lines.append(f"{task.label:<{width}}  {text}".rstrip())
    return lines


def _output(tasks: Mapping[str, TaskRecord], runs: Path, task: str, name: str) -> Path | None:
    if task not in tasks or name not in tasks[task].outputs:
        return None
    return runs / tasks[task].outputs[name]["path"]


def summary(run: RunRecord, tasks: Mapping[str, TaskRecord], runs: Path) -> str:
    """The summary of a run that has ended; numbers that no task reported are left out.

    Args:
        run: the run.
        tasks: the records of its tasks, by name.
        runs: the runs folder.
    """
    rows = [(label, show(_metrics(tasks, task))) for label, task, show in description.LINES]
    rows = [(label, text) for label, text in rows if text]
    times = _times(list(tasks.values()))
    rows += [("time" if number == 0 else "", line) for number, line in enumerate(times)]
    rows.append(("total", duration(run.seconds or 0.0)))
    output = partial(_output, tasks, runs)
    reported = {task for _, task, show in description.LINES if show(_metrics(tasks, task))}
    rows += [(label, short_path(path)) for label, path in description.results(output, reported)]
    rows.append(("records", short_path(runs / run.id)))
    width = max(len(label) for label, _ in rows)
    lines = [f"Run {run.id} {run.state}", *(f"  {label:<{width}}  {text}" for label, text in rows)]
    network = description.network(output, reported)
    if network and run.state == "succeeded":
        lines += ["", "Compare two photos:", f"  {command('verify', 'A.jpg', 'B.jpg', '-c', short_path(network))}"]
    return "\n".join(lines)

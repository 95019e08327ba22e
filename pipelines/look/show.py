"""`facenet show`: a run, a task of it, what that made, or runs side by side, in a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from components.common.names import plain
from pipelines.look import history
from pipelines.look.compare import best, compare
from pipelines.look.find import Selection, find
from pipelines.look.history import Run
from pipelines.look.listed import describe
from pipelines.look.log import error, log_end, log_file
from pipelines.look.preview import Folder, Nothing, Page, Preview, Text, Values, preview
from pipelines.look.tables import ROWS, Table
from pipelines.look.words import assignments, bytes_in_words, table, value
from pipelines.records.folder import LATEST
from pipelines.records.record import FAILED, TaskRecord
from pipelines.records.summary import duration, short_path

_LOST = "its runner ended without a word: killed, or the machine went down; the same command goes on from there"


@dataclass(frozen=True)
class Settings:
    """Show a run with its tasks, a task with all that went in and came out, an artifact, or runs compared."""

    what: Annotated[str, Flag("RUN[/TASK[/ARTIFACT[/FILE]]]", positional=True)] = LATEST
    """What to show, for instance latest/evaluate, latest/collect/dataset or latest/evaluate/report/metrics.json."""
    runs: Runs = RUNS
    others: Annotated[tuple[str, ...], Flag("RUN", name="with")] = ()
    """Compare the run with other runs: the settings that differ, and the numbers of each run, the best ones marked."""
    search: Annotated[str, Flag("TEXT")] = ""
    """Of a table, show only the rows whose identity contains this text."""
    rows: int = ROWS
    """How many rows of a table to show."""
    offset: int = 0
    """The first row of a table to show, counted from 0."""
    json: bool = False
    """Print JSON, for programs."""


def _lines(label: str, values: Sequence[str]) -> list[str]:
    return [f"  {label if number == 0 else '':<11}{line}" for number, line in enumerate(values)]


def _run(folder: Path, run: Run) -> str:
    record, tasks = run.record, history.tasks(folder, run)
    seconds = history.elapsed(record, run.state)
    unlimited = ", without limits of processors and memory" if record.runner == "process" else ""
    problem = run.problem or (_LOST if run.state == history.LOST else "")
    rows = [
        [
            task.label,
            task.state,
            _time(task),
            None if task.cpu_seconds is None else duration(task.cpu_seconds),
            bytes_in_words(task.peak_bytes),
            _about(folder, task),
        ]
        for task in tasks
    ]
    lines = [
        f"Run {plain(record.id)} {plain(run.state)}{f' after {duration(seconds)}' if seconds is not None else ''}",
        *_lines("problem", [plain(problem)] if problem else []),
        *_lines(
            "pipeline",
            [f"{value(record.pipeline)}, recipe {value(record.recipe)}, runner {value(record.runner)}{unlimited}"],
        ),
        *_lines("settings", [assignments(record.settings)]),
        *_lines("scores", [assignments(run.metrics), *run.doubts]),
        *_lines("note", [plain(run.notes.note)] if run.notes.note else []),
        *_lines("tags", [plain(", ".join(run.notes.tags))] if run.notes.tags else []),
        *_lines("origin", [f"repeats a part of run {plain(record.origin)}"] if record.origin else []),
        *_lines("records", [plain(short_path(folder / record.id))]),
    ]
    listed = ["", table(("task", "state", "time", "processor", "memory", ""), rows)] if rows else []
    return "\n".join([*lines, *listed])


def _about(folder: Path, task: TaskRecord) -> str:
    if task.state == FAILED:
        return ": ".join(filter(None, [task.message, error(folder, task)]))
    return task.message or (f"made by run {task.origin['run']}" if task.origin else "")


def _time(task: TaskRecord) -> str | None:
    seconds = history.elapsed(task, task.state)
    return None if seconds is None or not task.log else duration(seconds)


def _task(folder: Path, run: Run, task: TaskRecord) -> str:
    inputs = [plain(f"{name}: {one['path']}") for name, given in task.inputs.items() for one in given]
    outputs = [
        f"{plain(one.name)}: {plain(short_path(one.path)) if one.on_disk else assignments(one.metadata)}"
        for one in history.artifacts(folder, task)
        if one.on_disk or one.metadata
    ]
    origin = f", made by run {plain(task.origin['run'])}" if task.origin else ""
    log = log_end(log_file(folder, task))
    lines = [
        f"Task {plain(task.label)} of run {plain(run.record.id)}: {plain(task.state)}{origin}",
        *_lines("message", [plain(task.message)] if task.message else []),
        *_lines("started", [value(task.started)]),
        *_lines("time", [value(_time(task))]),
        *_lines("processor", ["-" if task.cpu_seconds is None else duration(task.cpu_seconds)]),
        *_lines("memory", [bytes_in_words(task.peak_bytes)]),
        *_lines(
            "parameters",
            [f"{plain(name)}={value(one)}" for name, one in history.parameters(folder, run, task).items()],
        ),
        *_lines("inputs", inputs),
        *_lines("outputs", outputs),
        *_lines("numbers", [f"{plain(name)}={value(one)}" for name, one in task.metrics.items()]),
        *_lines("rerun", [plain(history.rerun_command(Path(short_path(folder)), run, task))]),
        *_lines("log", [plain(short_path(folder / task.log))] if task.log else []),
    ]
    return "\n".join([*lines, *(f"  | {plain(line)}" for line in log)])


def _json(anything: Any) -> list[str]:
    return [plain(line) for line in json.dumps(anything, indent=1, ensure_ascii=False).split("\n")]


def _preview(seen: Preview) -> str:
    match seen:
        case Table():
            rows = [[number, *row] for number, row in seen.rows]
            return f"{seen.matching:,} of {seen.total:,} rows\n{table(['', *map(plain, seen.columns)], rows)}"
        case Folder():
            rows = [[f"{one.name}/" if one.folder else one.name, bytes_in_words(one.size)] for one in seen.entries]
            more = [f"and {seen.more:,} more"] if seen.more else []
            settings = ["", *_json(seen.settings)] if seen.settings else []
            return "\n".join([table(("file", "size"), rows), *more, *settings])
        case Values():
            return "\n".join(_json(seen.value))
        case Text():
            return plain(seen.text, keep="\n\t") + ("\n..." if seen.cut else "")
        case Page():
            place = plain(short_path(seen.file))
            return f"An HTML page of {bytes_in_words(seen.size)}, to be opened in a browser: {place}"
        case Nothing():
            return plain(seen.reason)


def _comparison(folder: Path, runs: Sequence[Run], *, for_scripts: bool) -> str:
    comparison = compare(folder, runs)
    numbers = [(task, name, values, best(name, values)) for (task, name), values in comparison.metrics.items()]
    if for_scripts:
        answer = {
            "runs": [describe(one) for one in runs],
            "settings": comparison.settings,
            "metrics": [
                {"task": task, "name": name, "values": values, "best": places} for task, name, values, places in numbers
            ],
            "curves": comparison.curves,
            "same_faces": comparison.same_faces,
        }
        return json.dumps(answer, indent=1)
    names = [plain(one.record.id) for one in runs]
    settings = [[name, *values] for name, values in comparison.settings.items()]
    metrics = [
        [task, name, *(f"{value(one)} *" if place in places else one for place, one in enumerate(values))]
        for task, name, values, places in numbers
    ]
    lines = [
        table(("setting", *names), settings) if settings else "The settings are the same.",
        "",
        table(("task", "number", *names), metrics),
    ]
    if any(places for *_, places in numbers):
        lines += ["", "* the best of a line"]
    if not comparison.same_faces:
        lines += ["Their scores were measured on different datasets."]
    return "\n".join(lines)


def _for_scripts(folder: Path, selection: Selection, seen: Preview | None) -> Any:
    if seen is not None and is_dataclass(seen):
        return {"preview": type(seen).__name__.lower(), "path": str(selection.path), **asdict(seen)}
    if selection.task is not None:
        return asdict(selection.task) | {
            "rerun": history.rerun_command(Path(short_path(folder)), selection.run, selection.task)
        }
    return describe(selection.run) | {"tasks": [asdict(task) for task in history.tasks(folder, selection.run)]}


def _show(settings: Settings) -> None:
    folder = settings.runs.absolute()
    selection = find(folder, settings.what)
    if settings.others:
        compared = [selection, *(find(folder, other) for other in settings.others)]
        if any(one.task is not None for one in compared):
            given = ", ".join([settings.what, *settings.others])
            raise UsageError("Only whole runs are compared.", received=given, advice="Name the runs alone.")
        print(_comparison(folder, [one.run for one in compared], for_scripts=settings.json))
        return
    seen = None
    if selection.artifact is not None:
        seen = preview(
            folder,
            selection.artifact,
            selection.inside,
            search=settings.search,
            offset=settings.offset,
            limit=settings.rows,
        )
    if settings.json:
        print(json.dumps(_for_scripts(folder, selection, seen), indent=1, default=str))
    elif seen is not None:
        print(_preview(seen))
    elif selection.task is not None:
        print(_task(folder, selection.run, selection.task))
    else:
        print(_run(folder, selection.run))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _show, argv, prog="facenet show")


if __name__ == "__main__":
    sys.exit(main())

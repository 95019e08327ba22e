"""The pages: what an address asks for, from `pipelines/look`, in a template."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from components.common.errors import FacenetError, UsageError
from components.page.words import harmless
from pipelines.description import HEADLINE
from pipelines.look import history
from pipelines.look.compare import STYLES, compare, det_plot, differ, roc_plot, scores_plot
from pipelines.look.find import Selection, find, find_run
from pipelines.look.history import RecordedArtifact, Run
from pipelines.look.inside import inside
from pipelines.look.log import error, log_before, log_file, log_part
from pipelines.look.preview import preview
from pipelines.look.tables import ROWS, Table, picture
from pipelines.records.record import CACHED, FAILED, PENDING, RUNNING, TaskRecord
from pipelines.records.search import SEARCHES
from pipelines.records.summary import command, summary
from pipelines.ui.card import frame
from pipelines.ui.graph import lay_out
from pipelines.ui.guard import CARD, PAGE_WITH_FIGURE
from pipelines.ui.listing import Question, select
from pipelines.ui.timeline import timeline
from pipelines.ui.trail import Trail, place, steps
from pipelines.ui.words import FILTERS, duration, of, size, took, when

_TEMPLATES = Path(__file__).parent / "templates"
_HTML = "system.HTML"
_DIGITS = 15  # of a number in an address
# Milliseconds after which a page that changes looks again; a long list is not sent as often.
SOON, _LATER = 1500, 3000


class Pages:
    """The pages of a runs folder.

    Args:
        runs: the folder, resolved.
        **there: what else there is here: `orders`, whether runs may be started, and `gallery`.
    """

    def __init__(self, runs: Path, **there: bool) -> None:
        self._runs = runs
        self._there = {"orders": False, "gallery": False, **there}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=harmless,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS

    def page(self, template: str, trail: Trail = (), status: int = 200, **values: Any) -> HTMLResponse:
        """A page of a template."""
        values = {"live": 0, **values, "trail": [("Runs", "/"), *trail], "folder": self._runs, **self._there}
        return HTMLResponse(self._templates.get_template(template).render(values), status)

    def trouble(self, request: Request, error: Exception) -> Response:
        """What is shown when there is no such page, or it cannot be made."""
        if isinstance(error, FacenetError):
            return self.page("trouble.html", status=404 if isinstance(error, UsageError) else 500, error=error)
        if isinstance(error, HTTPException):
            said = "There is no such page." if error.status_code in (404, 405) else error.detail
            missing = UsageError(said, received=request.url.path)
            return self.page("trouble.html", status=error.status_code, error=missing)
        advice = "Has a record been changed by hand? What happened is printed where `facenet ui` runs."
        spoiled = UsageError("This page cannot be made.", received=repr(error), advice=advice)
        return self.page("trouble.html", status=500, error=spoiled)

    def runs(self, request: Request) -> Response:
        """All runs, or those asked for."""
        question = Question.read(request.query_params)
        every = history.runs(self._runs)
        return self.page(
            "runs.html",
            runs=select(every, question),
            total=len(every),
            searches=(self._runs / SEARCHES).is_dir(),
            question=question,
            states=sorted({run.state for run in every}),
            headline=HEADLINE,
            most=len(STYLES),
            first="\n".join([command("sample", "-o", "sample"), command("run", "-i", "sample")]),
            live=_LATER if any(run.state == RUNNING for run in every) else SOON * (not every),
        )

    def run(self, request: Request) -> Response:
        """A run as its graph."""
        name = request.path_params["run"]
        run = find_run(self._runs, name)
        if run.record.id != name:
            return RedirectResponse(f"/runs/{run.record.id}")
        tasks = history.tasks(self._runs, run)
        needs: dict[str, list[str]] = {task.task: [] for task in tasks}
        for giver, taker in history.edges(tasks):
            needs[taker].append(giver)
        ended = run.record.seconds is not None
        return self.page(
            "run.html",
            [place(run)],
            run=run,
            tasks=tasks,
            by_name={task.task: task for task in tasks},
            active=[task.label for task in tasks if task.state == RUNNING],
            graph=lay_out(needs, {task.task: task.template or task.task for task in tasks}),
            timeline=timeline(run, tasks),
            errors={task.task: error(self._runs, task) for task in tasks if task.state == FAILED},
            summary=summary(run.record, {task.task: task for task in tasks}, self._runs) if ended else "",
            live=SOON * (run.state == RUNNING),
        )

    def task(self, request: Request) -> Response:
        """A task, with its card and its log."""
        run, task = self._task(request)
        live = _goes_on(run, task)
        file = log_file(self._runs, task)
        stop, log = number(request, "before"), None
        if file:
            log = log_before(file, file.stat().st_size if stop is None else stop, ended=not live)
        artifacts = history.artifacts(self._runs, task)
        cards = [one for one in artifacts if one.kind == _HTML and inside(self._runs, one.path)]
        return self.page(
            "task.html",
            [place(run), place(run, task)],
            run=run,
            task=task,
            facts=_facts(task),
            parameters=history.parameters(self._runs, run, task),
            artifacts=artifacts,
            labels={one.task: one.label for one in history.tasks(self._runs, run)},
            card=of(f"{task.task}/{cards[0].name}", run) if cards else "",
            log=log,
            log_address="/log" + of(task.task, run),
            follows=live and stop is None,
            command=shlex.join(task.command),
            rerun=history.rerun_command(self._runs, run, task) if task.command else "",
            live=SOON * live,
        )

    def log(self, request: Request) -> Response:
        """A task's log: all of it, or with `from` the next lines from that byte on."""
        run, task = self._task(request)
        file = log_file(self._runs, task)
        if file is None:
            raise HTTPException(404)
        start = number(request, "from")
        if start is None:
            return FileResponse(file, media_type="text/plain; charset=utf-8")
        piece = log_part(file, start, ended=not _goes_on(run, task))
        return PlainTextResponse(piece.text, headers={"Log-Next": str(piece.end)})

    def artifact(self, request: Request) -> Response:
        """What a task made, or a file or folder in it."""
        selection, artifact = self._artifact(request)
        run, task = selection.run, selection.task
        assert task is not None
        offset, search = number(request, "offset") or 0, request.query_params.get("q", "")
        path = "/".join(filter(None, [task.task, artifact.name, selection.inside]))
        made = task.outputs[artifact.name]["path"]
        shown = preview(self._runs, artifact, selection.inside, search=search, offset=offset)
        file = inside(self._runs, artifact.path / selection.inside)
        columns = list(shown.columns) if isinstance(shown, Table) else []
        return self.page(
            "artifact.html",
            [place(run), place(run, task), *steps(run, task, artifact, selection.inside)],
            run=run,
            task=task,
            artifact=artifact,
            place=path,
            name=path.rpartition("/")[2],
            preview=shown,
            places={column: number for number, column in enumerate(columns)},
            # Whom a row is about comes first: a phone shows no more than that.
            order=sorted(columns, key=lambda column: isinstance(shown, Table) and column != shown.searched),
            is_file=file is not None and file.is_file(),
            search=search,
            offset=offset,
            rows=ROWS,
            readers=[
                one
                for one in history.tasks(self._runs, run)
                if any(given["path"] == made for inputs in one.inputs.values() for given in inputs)
            ],
        )

    def compare(self, request: Request) -> Response:
        """Runs side by side."""
        names = request.query_params.getlist("run")
        if not 1 < len(names) <= len(STYLES):
            raise UsageError(
                f"From 2 to {len(STYLES)} runs are compared.",
                received=", ".join(names) or "none",
                advice="Tick them in the list.",
            )
        runs = [find_run(self._runs, name) for name in names]
        comparison = compare(self._runs, runs)
        ids = [run.record.id for run in runs]
        page = self.page(
            "compare.html",
            [("Comparison", f"/compare?{request.url.query}")],
            runs=runs,
            styles=STYLES,
            comparison=comparison,
            # What differs comes first, and what only some of them have, as the shards of a task, after it.
            metrics=sorted(comparison.metrics.items(), key=lambda one: (not differ(one[1]), None in one[1])),
            roc=roc_plot(list(zip(ids, comparison.curves, strict=True))) if any(comparison.curves) else "",
            scores=[
                scores_plot(label, list(zip(ids, values, strict=True))) for label, values in comparison.scores.items()
            ],
            det=det_plot(list(zip(ids, comparison.dets, strict=True))) if any(comparison.dets) else "",
        )
        page.headers["Content-Security-Policy"] = PAGE_WITH_FIGURE
        return page

    def file(self, request: Request) -> Response:
        """A file of an artifact: an HTML page in a world of its own, anything else to be kept."""
        file, is_page = self._file(request)
        if is_page:
            return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": CARD})
        return FileResponse(file, media_type="application/octet-stream", filename=file.name)

    def card(self, request: Request) -> Response:
        """An HTML page for a frame, which grows with it; in a world of its own too."""
        file, is_page = self._file(request)
        if not is_page:
            raise HTTPException(404)
        return StreamingResponse(frame(file), media_type="text/html", headers={"Content-Security-Policy": CARD})

    def _file(self, request: Request) -> tuple[Path, bool]:
        """The file of an artifact that is asked for, and whether it is an HTML page."""
        selection, artifact = self._artifact(request)
        file = inside(self._runs, artifact.path / selection.inside)
        if file is None or not file.is_file():
            raise HTTPException(404)
        return file, file.suffix == ".html" or (artifact.kind == _HTML and not selection.inside)

    def picture(self, request: Request) -> Response:
        """The face in a row of a table, as long as it is that face."""
        selection, artifact = self._artifact(request)
        row, face_id = number(request, "row"), request.query_params.get("face", "")
        jpeg = None if row is None else picture(self._runs, artifact, row, face_id, selection.inside)
        if jpeg is None:
            raise HTTPException(404)
        return Response(jpeg, media_type="image/jpeg")

    def _artifact(self, request: Request) -> tuple[Selection, RecordedArtifact]:
        place = {"inside": "", **request.path_params}
        if any(part in (".", "..") for part in place["inside"].split("/")):
            raise HTTPException(404)
        selection = find(self._runs, "{run}/{task}/{artifact}/{inside}".format_map(place))
        assert selection.artifact is not None
        return selection, selection.artifact

    def _task(self, request: Request) -> tuple[Run, TaskRecord]:
        selection = find(self._runs, "{run}/{task}".format_map(request.path_params))
        assert selection.task is not None
        return selection.run, selection.task


def number(request: Request, name: str) -> int | None:
    """A whole number in the query of an address; None for anything else."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _goes_on(run: Run, task: TaskRecord) -> bool:
    """Whether more is to come of a task."""
    return run.state == RUNNING and task.state in (PENDING, RUNNING)


def _facts(task: TaskRecord) -> dict[str, str]:
    return {
        "Began": when(task.started),
        "Took": took(task) if task.command and task.state != CACHED else "",
        "Processor time": duration(task.cpu_seconds),
        "Most memory": size(task.peak_bytes),
        "Exit code": "" if task.exit_code is None else str(task.exit_code),
    }

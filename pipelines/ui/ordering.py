"""The pages that start and stop runs: forms, what they mean as commands, and what became of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from components.common.errors import UsageError
from components.common.names import plain
from pipelines.look.find import find, find_run
from pipelines.plan import recipe
from pipelines.plan.values import as_text
from pipelines.records.alive import stop
from pipelines.records.record import RUNNING, TaskRecord
from pipelines.records.summary import command
from pipelines.ui.orders import Orders
from pipelines.ui.pages import SOON, Pages
from pipelines.ui.trail import place
from pipelines.ui.words import path

_MOST_BYTES = 2**16
_MOST_FIELDS = 1000
_FORM = "application/x-www-form-urlencoded"
_TOKEN, _AFTER, _SET = "form", "and_after", "set."
_SEE_OTHER = 303  # the browser asks for the next page, and does not send the form again when that is reloaded
Form = dict[str, str]


class Ordering:
    """The pages, for whoever has the key of this server.

    Args:
        runs: the runs folder, resolved.
        pages: those that only show.
        orders: what was ordered.
    """

    def __init__(self, runs: Path, pages: Pages, orders: Orders) -> None:
        self._runs = runs
        self._pages = pages
        self._orders = orders

    @property
    def routes(self) -> list[Route]:
        """Their addresses."""
        task, run = "/again/runs/{run}/{task}", "/stop/runs/{run}"
        return [
            Route("/key/{key}", self._enter),
            Route("/start", self._asked(self._start)),
            Route("/start", self._sent(self._start_sent), methods=["POST"]),
            Route(task, self._asked(self._again)),
            Route(task, self._sent(self._again_sent), methods=["POST"]),
            Route(run, self._asked(self._stop)),
            Route(run, self._sent(self._stop_sent), methods=["POST"]),
            Route("/orders/{number:int}", self._asked(self._order)),
        ]

    def _enter(self, request: Request) -> Response:
        """From the address that was printed to the list of runs; the browser keeps the key until it is closed."""
        self._check(request.path_params["key"])
        answer = RedirectResponse("/", _SEE_OTHER)
        answer.set_cookie(self._orders.cookie, self._orders.key, httponly=True, samesite="strict")
        return answer

    def _check(self, key: str | None) -> None:
        if not self._orders.knows(key):
            raise HTTPException(403, "Runs are started by whoever opened the address that `facenet ui` printed.")

    def _asked(self, page: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            self._check(request.cookies.get(self._orders.cookie))
            return page(request)

        return answer

    def _sent(self, handler: Callable[[Request, Form], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self._check(request.cookies.get(self._orders.cookie))
            form = await _read(request)
            if not self._orders.made(form.get(_TOKEN, "")):
                raise HTTPException(403, "This form is not of this server, or it was started anew: go back and reload.")
            return await run_in_threadpool(handler, request, form)

        return answer

    def _start(self, request: Request) -> Response:
        """The form of a new run; an address may have it filled in."""
        return self._pages.page(
            "start.html",
            [("New run", "/start")],
            given={"recipe": recipe.DEFAULT, **request.query_params},
            recipes=[recipe.read(file.stem) for file in sorted(recipe.FOLDER.glob("*.yaml"))],
            here=Path.cwd(),
            token=self._orders.new_form(),
        )

    def _start_sent(self, request: Request, form: Form) -> Response:
        return self._order_made(form, words_of_run(self._runs, form), f"/start?{_filled(form)}")

    def _again(self, request: Request) -> Response:
        """The form that runs a task again; an address may have it filled in."""
        selection = find(self._runs, "{run}/{task}".format_map(request.path_params))
        assert selection.task is not None
        return self._pages.page(
            "again.html",
            [place(selection.run), place(selection.run, selection.task), ("Again", request.url.path)],
            run=selection.run,
            task=selection.task,
            fields={name: request.query_params.get(_SET + name, text) for name, text in _texts(selection.task).items()},
            and_after=_AFTER in request.query_params,
            token=self._orders.new_form(),
        )

    def _again_sent(self, request: Request, form: Form) -> Response:
        selection = find(self._runs, "{run}/{task}".format_map(request.path_params))
        assert selection.task is not None
        words = words_of_rerun(self._runs, selection.run.record.id, selection.task, form)
        return self._order_made(form, words, f"{request.url.path}?{_filled(form)}")

    def _stop(self, request: Request) -> Response:
        """Asks whether to stop a run."""
        run = find_run(self._runs, request.path_params["run"])
        return self._pages.page(
            "stop.html", [place(run), ("Stop", request.url.path)], run=run, token=self._orders.new_form()
        )

    def _stop_sent(self, request: Request, form: Form) -> Response:
        run = find_run(self._runs, request.path_params["run"])
        if run.state == RUNNING and not stop(self._runs, run.record.id):
            raise UsageError(
                "This run cannot be stopped from here.",
                received=f"{run.record.id}, {'by docker compose' if run.record.runner == 'compose' else 'running'}",
                advice="Its runner is not a process of yours on this machine. Stop it where it was started, by Ctrl-C.",
            )
        return RedirectResponse(place(run)[1], _SEE_OTHER)

    def _order_made(self, form: Form, words: list[str], address: str) -> Response:
        return RedirectResponse(f"/orders/{self._orders.start(form[_TOKEN], words, address)}", _SEE_OTHER)

    def _order(self, request: Request) -> Response:
        """What became of an order: its run, or until then, and if there is none, what the command says."""
        number = request.path_params["number"]
        going_on = (order := self._orders.find(number)) is not None and order.going_on
        order = self._orders.find(number)  # once more: what it did before it ended is there by now
        if order is None:
            raise HTTPException(404)
        if order.run is not None:
            return RedirectResponse(f"/runs/{path(order.run)}", _SEE_OTHER)
        return self._pages.page(
            "order.html",
            [("New run", order.form)],
            order=order,
            going_on=going_on,
            command=command(*order.words),
            live=SOON * going_on,
        )


async def _read(request: Request) -> Form:
    """The fields of a form that was sent."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(415)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise HTTPException(413)
    try:
        text = body.decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS))
    except ValueError as error:  # more fields
        raise HTTPException(400) from error


def words_of_run(runs: Path, form: Mapping[str, str]) -> list[str]:
    """The command, after `facenet`, that a form of a new run means: each field in a word of its own."""
    settings = [line.strip() for line in form.get("settings", "").splitlines() if line.strip()]
    return [
        "run",
        f"--input={form.get('photos', '')}",
        f"--recipe={form.get('recipe', '')}",
        *(f"--set={line}" for line in settings),
        f"--runs={runs}",
    ]


def words_of_rerun(runs: Path, run: str, task: TaskRecord, form: Mapping[str, str]) -> list[str]:
    """The same of a form that runs a task again: of its parameters those that are not as they were."""
    texts = _texts(task)
    changed = {name: form.get(_SET + name, text) for name, text in texts.items()}
    return [
        "rerun",
        f"--run={run}",
        f"--runs={runs}",
        *(f"--set={name}={text}" for name, text in changed.items() if text != texts[name]),
        *["--and-after"] * (_AFTER in form),
        "--",
        task.task,
    ]


def _texts(task: TaskRecord) -> dict[str, str]:
    """The parameters of a task as a field of a form can hold them: on one line, and with what pages show."""
    return {name: plain(" ".join(as_text(value).splitlines()), keep="\t") for name, value in task.parameters.items()}


def _filled(form: Mapping[str, str]) -> str:
    """The query of a form's address with what was filled in."""
    return urlencode({name: text for name, text in form.items() if name != _TOKEN})

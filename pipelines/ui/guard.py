"""What every request and every answer must keep to: read-only, from this machine, and nothing from elsewhere."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.page.safety import HEADERS, HOST

_METHODS = ("GET", "HEAD")

# Of the pages: only what this server sends.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Of a page with a figure of matplotlib's, whose lines have their style in attributes.
PAGE_WITH_FIGURE = PAGE.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
# Of what a stage wrote: its own script and style and nothing else, in a world of its own, as in Kubeflow's UI.
CARD = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS = {"Content-Security-Policy": PAGE, **HEADERS}


class Guard:
    """Refuses what it must, and puts the headers on every answer; one that has its own policy keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (_refusal(scope) or self._app)(scope, receive, send_with_headers)


def _refusal(scope: Scope) -> ASGIApp | None:
    if not HOST.fullmatch(Headers(scope=scope).get("host", "")):
        return PlainTextResponse("This server answers to 127.0.0.1, localhost and [::1] only.\n", 403)
    if scope["method"] not in _METHODS:
        return PlainTextResponse("This server only shows: nothing can be changed here.\n", 405, {"Allow": "GET, HEAD"})
    return None

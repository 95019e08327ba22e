"""What every request and every answer must keep to: read-only, from this machine, and nothing from elsewhere.

Where runs may be started from the pages, what a page of this very server sends may come in too.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.page.safety import HEADERS, HOST

_METHODS = ("GET", "HEAD")
_SENDING = "POST"

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
# A browser that may send no referrer says of a form that it comes from nowhere.
_OF_FORMS = {"Referrer-Policy": "same-origin"}


class Guard:
    """Refuses what it must, and puts the headers on every answer; one that has its own policy keeps it.

    Args:
        app: what answers.
        forms: whether it takes forms.
    """

    def __init__(self, app: ASGIApp, *, forms: bool = False) -> None:
        self._app = app
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HEADERS | (_OF_FORMS if self._forms else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        await (_refusal(scope, forms=self._forms) or self._app)(scope, receive, send_with_headers)


def _refusal(scope: Scope, *, forms: bool) -> ASGIApp | None:
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not HOST.fullmatch(host):
        return PlainTextResponse("This server answers to 127.0.0.1, localhost and [::1] only.\n", 403)
    if scope["method"] in _METHODS:
        return None
    if not forms or scope["method"] != _SENDING:
        said = "" if forms else "This server only shows: nothing can be changed here.\n"
        return PlainTextResponse(said, 405, {"Allow": ", ".join([*_METHODS, *[_SENDING] * forms])})
    if headers.get("origin", "").lower() != f"http://{host}".lower():
        return PlainTextResponse("Only a page of this server may send anything here.\n", 403)
    return None

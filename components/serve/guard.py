"""What every request must keep to before anything is read of it, and every answer."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.page.safety import HEADERS, HOST
from components.serve import problem
from components.serve.metrics import Metrics
from components.serve.problem import ProblemError
from components.serve.rate import Rate

# What everybody may ask: whether the server is well, and what tells nothing of anybody.
OPEN = ("/", "/openapi.json", "/v2/health/live", "/v2/health/ready")
_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", **HEADERS}


@dataclass(frozen=True)
class Limits:
    """What requests may take.

    Args:
        token: that they carry; None where whoever uses this machine may ask.
        rate: how often.
        max_bytes: the size of a body.
        seconds: for a body to arrive.
        at_once: requests with a body that are answered at a time.
    """

    token: str | None
    rate: Rate
    max_bytes: int
    seconds: float
    at_once: int


class Guard:
    """Refuses what it must, puts the headers on every answer, and counts them; one that has its own policy keeps it.

    Args:
        app: what answers.
        limits: see there.
        metrics: where answers are counted.
        paths: those that are counted by name.
    """

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, paths: AbstractSet[str]) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if status >= 400:
                    # What is left of the request is not read, so no other can follow on this connection.
                    headers["Connection"] = "close"
            await send(message)

        refusal = self._refusal(scope)
        try:
            if refusal is not None:
                await problem.answer(refusal)(scope, receive, send_with_headers)
                return
            self._metrics.in_flight += 1
            try:
                await self._app(scope, self._bounded(receive), send_with_headers)
            except asyncio.CancelledError:  # Ctrl-C came, and a second to end in has passed
                if not status:
                    ended = ProblemError("The server has ended.", advice="Ask again when it is back.", status=503)
                    await problem.answer(ended)(scope, receive, send_with_headers)
            finally:
                self._metrics.in_flight -= 1
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.count(path, status or 500, time.monotonic() - began)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        headers = Headers(scope=scope)
        foreign = _foreign(headers) if self._limits.token is None else None
        if foreign is not None or scope["path"] in OPEN:
            return foreign
        address = scope["client"][0] if scope.get("client") else ""
        return self._too_soon(address) or self._unknown(headers) or self._too_much(scope["method"], headers)

    def _too_soon(self, address: str) -> ProblemError | None:
        if not (wait := self._limits.rate.wait(address)):
            return None
        return ProblemError(
            "These are too many requests.",
            received=f"another one from {address}",
            advice=f"Wait {wait:.1f} seconds; --rate sets how many there may be.",
            status=429,
            headers={"Retry-After": f"{math.ceil(wait)}"},
        )

    def _unknown(self, headers: Headers) -> ProblemError | None:
        """The refusal of a request without the token; guesses count for the rate, too."""
        if self._limits.token is None or _carries(headers, self._limits.token):
            return None
        return ProblemError(
            "This request does not carry the server's token.",
            advice="Send the header `Authorization: Bearer TOKEN`.",
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _too_much(self, method: str, headers: Headers) -> ProblemError | None:
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdecimal() and (len(length) > 15 or int(length) > self._limits.max_bytes):
            return _too_large(self._limits.max_bytes)
        if method != "POST" or self._metrics.in_flight < self._limits.at_once:
            return None
        return ProblemError(
            "The server has as much to do as it takes on.",
            received=f"another request beside {self._metrics.in_flight}",
            advice="Ask again in a moment.",
            status=503,
            headers={"Retry-After": "1"},
        )

    def _bounded(self, receive: Receive) -> Receive:
        """Receives a body of the allowed size, in the allowed time."""
        due = asyncio.get_running_loop().time() + self._limits.seconds
        size, whole = 0, False

        async def bounded() -> Message:
            nonlocal size, whole
            if whole:  # all that can come is the end of the connection
                return await receive()
            try:
                async with asyncio.timeout_at(due):
                    message = await receive()
            except TimeoutError:
                raise ProblemError(
                    "The request did not arrive in time.",
                    received=f"{size:,} bytes in {self._limits.seconds:g} seconds",
                    advice="Send less at once, or let the server wait longer with --seconds.",
                    status=408,
                ) from None
            size, whole = size + len(message.get("body", b"")), not message.get("more_body", False)
            if size > self._limits.max_bytes:
                raise _too_large(self._limits.max_bytes)
            return message

        return bounded


def _foreign(headers: Headers) -> ProblemError | None:
    """The refusal of what a page of another site asks for; where there is a token, such a page does not have it."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not HOST.fullmatch(host):
        return ProblemError(
            "This server answers to 127.0.0.1, localhost and [::1] only.",
            received=f"Host: {host}",
            advice="Ask it by one of these names; or give it a token, with which it answers to any.",
            status=403,
        )
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return ProblemError(
            "A page of another site may not ask here.",
            received=f"Origin: {origin}",
            advice="Ask without a browser, or from the page of this server.",
            status=403,
        )
    return None


def _carries(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # In the same time whatever is given, so that nobody can guess it piece by piece.
    return hmac.compare_digest(given.strip().encode(), token.encode()) and scheme.lower() == "bearer"


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        "The request is too large.",
        received=f"more than {most / 1e6:g} MB",
        advice="Send fewer photos at once, or allow more with --max_megabytes.",
        status=413,
    )

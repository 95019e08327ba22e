"""The HTTP side of the tests' cluster: reads requests, sends answers, and makes trouble that was ordered."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

PAGE = "what a server of something else answers"
PAGE_TEXT = "<html>Log in, your namespace is waiting.</html>"
DROP = "the connection is closed without an answer"
LOSE = "what is asked is done, and the connection is closed without an answer"


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str | None
    cookie: str | None


@dataclass
class Trouble:
    """What happens to the next requests whose method and path match, after a while: a status, PAGE, DROP or LOSE."""

    pattern: str
    what: int | str | None = None
    says: str = ""
    seconds: float = 0.0
    times: int = 1


class Answering(Protocol):
    """Whoever answers the requests."""

    token: str | None
    arrived: list[Request]
    wrong: list[str]

    def trouble_for(self, request: Request) -> Trouble: ...

    def answer(self, request: Request) -> dict[str, Any]: ...


def handler(kubeflow: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            request = self._read()
            kubeflow.arrived.append(request)
            trouble = kubeflow.trouble_for(request)
            time.sleep(trouble.seconds)
            if trouble.what == DROP:
                self.close_connection = True
                return
            status, answer = self._decided(request, trouble)
            if trouble.what == LOSE:
                self.close_connection = True
                return
            kind, text = "application/json", json.dumps(answer)
            if trouble.what == PAGE:
                kind, text = "text/html; charset=utf-8", PAGE_TEXT
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def _decided(self, request: Request, trouble: Trouble) -> tuple[int, Any]:
            try:
                if kubeflow.token and request.token != f"Bearer {kubeflow.token}":
                    # Some proxies show what they were sent.
                    raise RefusedError(401, f"no rights for {request.token}")
                if isinstance(trouble.what, int):
                    says = trouble.says or f"trouble with {request.token or request.cookie}"
                    raise RefusedError(trouble.what, says)
                return 200, kubeflow.answer(request)
            except RefusedError as refused:
                if "upload" in request.path:
                    return refused.status, {"error_message": str(refused), "error_details": str(refused)}
                return refused.status, {"error": str(refused), "code": 2, "message": str(refused), "details": []}
            except Exception as error:
                kubeflow.wrong.append(f"{request.method} {request.path}: {error!r}")
                return 400, {"error": repr(error), "code": 3, "message": repr(error), "details": []}

        def _read(self) -> Request:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or ""
            body: Any = None
            if kind.startswith("multipart/form-data"):
                (part,) = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw).get_payload()
                assert part.get_param("name", header="content-disposition") == "uploadfile"
                body = part.get_payload(decode=True).decode()
            elif raw:
                body = json.loads(raw)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            path = parts.path.removeprefix("/apis/v2beta1/")
            return Request(
                self.command, path, query, body, self.headers.get("authorization"), self.headers.get("cookie")
            )

    return Handler

"""A server as `facenet ui` starts it, for any runs folder, and plain requests to it."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from pipelines.ui.app import app
from pipelines.ui.orders import Orders


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass(frozen=True)
class Site:
    """A running server of a runs folder."""

    runs: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(
        self, path: str, method: str = "GET", host: str | None = None, body: bytes | None = None, **headers: str
    ) -> Answer:
        """Asks for exactly this path: a client for people would tidy `..` away before it is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


class Server:
    """One server for all tests: it shows the runs folder that the test of the moment has."""

    def __init__(self) -> None:
        self._bound = socket.socket()
        self._bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(self, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._bound]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    async def __call__(self, scope, receive, send) -> None:
        await self._app(scope, receive, send)

    def show(self, runs: Path, orders: Orders | None = None, gallery: Path | None = None) -> Site:
        self._app = app(runs.resolve(), orders, gallery)
        return Site(runs, self._bound.getsockname()[1])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def site(server: Server, tmp_path: Path) -> Site:
    """An empty runs folder, and its server."""
    (tmp_path / "runs").mkdir()
    return server.show(tmp_path / "runs")


@pytest.fixture
def real(server: Server, in_processes: Path) -> Site:
    """The server of a real run."""
    return server.show(in_processes.parent)

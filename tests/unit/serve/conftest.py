"""A server of a tiny model with one process, and requests to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from components.serve.app import app, begin
from components.serve.connection import Connection
from components.serve.settings import Settings
from tests.unit.verify.conftest import bare, enrolled, gallery, model, people, unevaluated, with_record  # noqa: F401


@dataclass(frozen=True)
class Site:
    """A running server, and its gallery's file."""

    port: int
    gallery: Path

    def __call__(self, path: str, *photos: Path | bytes, **fields: str) -> Any:
        """Posts a form, and returns the status and what the JSON says."""
        files = [("photo", (getattr(photo, "name", "bytes"), _bytes(photo))) for photo in photos]
        files += [(name, (None, value)) for name, value in fields.items()]
        answer = requests.post(f"{self.address}{path}", files=files, timeout=30)
        return answer.status_code, answer.json()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _bytes(photo: Path | bytes) -> bytes:
    return photo if isinstance(photo, bytes) else photo.read_bytes()


@pytest.fixture(scope="session")
def site(model, tmp_path_factory) -> Iterator[Site]:  # noqa: F811
    """A server for all tests, whose gallery each test may fill."""
    gallery = tmp_path_factory.mktemp("served") / "gallery.db"  # noqa: F811
    settings = Settings(checkpoint=model, gallery=gallery, workers=1, rate=0, max_megabytes=1)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        config = uvicorn.Config(
            app(settings, begin(settings), None), http=Connection, log_level="warning", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            while (
                not server.started
                or requests.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=30).status_code != 200
            ):
                time.sleep(0.02)
            yield Site(port, gallery)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def empty(site: Site) -> Site:
    """The server without a gallery."""
    site.gallery.unlink(missing_ok=True)
    return site

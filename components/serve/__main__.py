"""`facenet serve`: verify, identify, enroll, forget and embed over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from components.common.command import run
from components.common.listen import listen
from components.common.names import plain
from components.serve.settings import Settings

# Connections at a time, with and without a request.
_CONNECTIONS = 256


def _serve(settings: Settings) -> None:
    token = settings.token()  # or an error, before anything takes time

    import uvicorn

    from components.serve.app import app, begin
    from components.serve.connection import Connection

    with listen(settings.host, settings.port) as bound:
        model = begin(settings)
        host, port = bound.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if settings.json:
            print(json.dumps({"url": url, "model": str(model.path), "gallery": str(settings.gallery)}), flush=True)
        else:
            served = f"{plain(model.path)} and {plain(settings.gallery)}"
            print(f"{served}: {url}  (Ctrl-C ends)", flush=True)
        config = uvicorn.Config(
            app(settings, model, token),
            http=Connection,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever asks from here could give any address for its own
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        uvicorn.Server(config).run(sockets=[bound])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _serve, argv, prog="facenet serve")


if __name__ == "__main__":
    sys.exit(main())

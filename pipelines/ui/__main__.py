"""`facenet ui`: shows runs, tasks and artifacts in a browser, on this machine only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.command import run
from components.common.flags import RUNS, Runs
from components.common.listen import HERE, listen


@dataclass(frozen=True)
class Settings:
    """Show runs, tasks and artifacts in a browser: read-only, and on this machine only. Ctrl-C ends it."""

    runs: Runs = RUNS
    port: int = 8080
    """The port to listen on, on this machine only; 0 takes any free one."""


def _serve(settings: Settings) -> None:
    import uvicorn

    from pipelines.look.history import run_names
    from pipelines.ui.app import app

    runs = settings.runs.resolve()
    run_names(runs)  # or an error that says what to do
    with listen(HERE, settings.port) as bound:
        print(f"Runs of {settings.runs}: http://{HERE}:{bound.getsockname()[1]}  (Ctrl-C ends)", flush=True)
        config = uvicorn.Config(
            app(runs), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[bound])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _serve, argv, prog="facenet ui")


if __name__ == "__main__":
    sys.exit(main())

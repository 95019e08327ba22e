"""`facenet ui`: shows runs, tasks and artifacts in a browser, on this machine only; starts runs if it is allowed to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.flags import RUNS, Flag, Runs
from components.common.listen import HERE, listen


@dataclass(frozen=True)
class Settings:
    """Show runs, tasks and artifacts in a browser: read-only, and on this machine only. Ctrl-C ends it."""

    runs: Runs = RUNS
    port: int = 8080
    """The port to listen on, on this machine only; 0 takes any free one."""
    gallery: Annotated[Path | None, Flag("FILE", short="-g")] = None
    """Also show who is in this gallery, with the pictures that `facenet enroll --keep-pictures` kept."""
    allow_runs: bool = False
    """Let whoever opens the address that is printed start runs from the pages, and stop them. They go on when this
    command has ended."""


def _serve(settings: Settings) -> None:
    import uvicorn

    from components.verify.listing import list_people
    from pipelines.look.history import run_names
    from pipelines.ui.app import app
    from pipelines.ui.orders import Orders

    runs = settings.runs.resolve()
    run_names(runs)  # or an error that says what to do
    if settings.gallery:
        list_people(settings.gallery)  # likewise
    orders = Orders(runs) if settings.allow_runs else None
    with listen(HERE, settings.port) as bound:
        address = f"http://{HERE}:{bound.getsockname()[1]}{f'/key/{orders.key}' if orders else ''}"
        print(f"Runs of {settings.runs}: {address}  (Ctrl-C ends)", flush=True)
        config = uvicorn.Config(
            app(runs, orders, settings.gallery),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        uvicorn.Server(config).run(sockets=[bound])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _serve, argv, prog="facenet ui")


if __name__ == "__main__":
    sys.exit(main())

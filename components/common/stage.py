"""What every stage has in common: flags are read and checked, then the stage is imported and run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

from components.common.command import run


class StageSettings(Protocol):
    """A stage's flags."""

    def check(self) -> None:
        """Refuses what cannot work, before anything is imported that takes seconds.

        Raises:
            UsageError: a flag has a value that it cannot have, or flags do not go together.
        """


def main_of(name: str, settings: type[StageSettings], module: str) -> Callable[..., int]:
    """The `main` of a stage.

    Args:
        name: of its command.
        settings: what its flags are parsed to.
        module: whose `run` does the work. As text, so that neither `--help` nor a wrong flag waits for what it imports.
    """

    def work(given: StageSettings) -> None:
        given.check()
        importlib.import_module(module).run(given)

    return lambda argv=None: run(settings, work, argv, prog=f"facenet {name}")

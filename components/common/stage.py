"""What every stage has in common: flags are read and checked, then the stage is imported and run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol

from components.common.command import run


class StageSettings(Protocol):
    """A stage's flags."""

    def check(self) -> None:
        """Refuses what cannot work, before anything is imported that takes seconds.

        Raises:
            UsageError: a flag has a value that it cannot have, or flags do not go together.
        """


def run_stage(name: str, settings: type[StageSettings], module: str, argv: Sequence[str] | None) -> int:
    """Runs a stage as a command, and returns its exit code.

    Args:
        name: of the command.
        settings: what its flags are parsed to.
        module: whose `run` does the work. As text, so that neither `--help` nor a wrong flag waits for what it imports.
        argv: the arguments after the command's name; `sys.argv[1:]` when None.
    """

    def work(given: StageSettings) -> None:
        given.check()
        importlib.import_module(module).run(given)

    return run(settings, work, argv, prog=f"facenet {name}")

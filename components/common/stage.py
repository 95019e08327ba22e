"""What all stages have in common: the flags are read and checked, then the stage is imported and run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol

from components.common.command import run


class StageSettings(Protocol):
    """A stage's flags."""

    def check(self) -> None:
        """Refuses flags that cannot work, before imports that take seconds.

        Raises:
            UsageError: the value of a flag is out of range, or two flags exclude each other.
        """


def run_stage(name: str, settings: type[StageSettings], module: str, argv: Sequence[str] | None) -> int:
    """Runs a stage as a command, and returns its exit code.

    Args:
        name: the command's name.
        settings: the dataclass of its flags.
        module: the module whose `run` does the work; as text, so that `--help` and wrong flags need not wait for its
            imports.
        argv: the arguments after the command's name; `sys.argv[1:]` when None.
    """

    def work(given: StageSettings) -> None:
        given.check()
        importlib.import_module(module).run(given)

    return run(settings, work, argv, prog=f"facenet {name}")

"""A command of ours in a process of its own, stopped before its n-th operation of a kind until it is told to go on.

The operations are what Python tells auditors of, in the command's own code and in libraries of Python:
docs.python.org/3/library/audit_events.html. Nothing in the product knows of this.
"""

from __future__ import annotations

import fnmatch
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

# Processes that begin with everything imported.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(
    ["pipelines.run", "pipelines.rerun", "pipelines.forget", "pipelines.erase.erase", "pipelines.look.show",
     "pipelines.local.composed", "components.verify.enroll", "components.verify.identify", "components.litert.embedder"]
)  # fmt: skip
_LONG = 30.0  # seconds, after which something hangs

Command = Callable[[Sequence[str]], int]


class Stopped:
    """A command that was begun; it has come to its point, or to its end where none is given.

    Args:
        folder: where its output goes.
        command: its main function.
        words: its arguments.
        before: the audit event, and a pattern for its arguments, joined by blanks.
        nth: which of those that match.
    """

    def __init__(
        self, folder: Path, command: Command, *words: object, before: tuple[str, str] | None = None, nth: int = 1
    ) -> None:
        self._output = folder / f"{time.monotonic_ns()}.txt"
        self._here, there = FRESH.Pipe()
        given = list(map(str, words))
        # What it starts from has the environment of the test that began first.
        arguments = command, given, dict(os.environ), self._output, before, nth, there
        self._process = FRESH.Process(target=_run, args=arguments, daemon=True)  # ended with the tests
        self._process.start()
        there.close()
        if before is not None:
            assert self._here.poll(_LONG), f"it does not come to {before}:\n{self.output()}"
            try:
                self._here.recv()
            except EOFError as error:
                raise AssertionError(f"it ended before {before}:\n{self.output()}") from error

    def output(self) -> str:
        return self._output.read_text() if self._output.exists() else ""

    def says(self, words: str) -> None:
        """Waits until it has said this."""
        until(lambda: words in self.output() or not self._process.is_alive())
        assert words in self.output() and self._process.is_alive(), self.output()

    def go_on(self) -> int:
        """Lets it go on to its end; its exit code."""
        if self._process.is_alive() and not self._here.closed:
            self._here.close()
        self._process.join(_LONG)
        assert not self._process.is_alive(), f"it hangs:\n{self.output()}"
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_LONG)


def until(done: Callable[[], bool]) -> None:
    """Waits until something is so."""
    ends = time.monotonic() + _LONG
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.01)


def _run(
    command: Command,
    words: list[str],
    environment: dict[str, str],
    output: Path,
    before: tuple[str, str] | None,
    nth: int,
    pipe: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = 0

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if before is not None and event == before[0] and fnmatch.fnmatch(" ".join(map(str, arguments)), before[1]):
            seen += 1
            if seen == nth:
                pipe.send(None)
                pipe.poll(None)  # until the other end is closed

    sys.addaudithook(look)
    code = command(words)
    sys.stdout.flush()
    sys.exit(code)

"""Runs that were started from the pages: each is the command that one would type, in a session of its own.

The commands check paths and settings themselves, and outlive the server.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from components.common.errors import UsageError
from pipelines.look import history
from pipelines.records.alive import runner_of

_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_SHOWN_BYTES = 20_000  # of what a command printed, the end


@dataclass
class Order:
    """A command that was started.

    Args:
        words: of the command, after `facenet`.
        form: the address of the form that it came from, as it was filled in.
        before: the runs that were there already.
    """

    words: Sequence[str]
    form: str
    before: set[str]
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    run: str | None = field(default=None)

    @property
    def going_on(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def printed(self) -> str:
        """What it printed, the end of it."""
        size = os.fstat(self.output.fileno()).st_size
        # The command writes where the file's position is, which reading in the usual way would move.
        return os.pread(self.output.fileno(), _SHOWN_BYTES, max(0, size - _SHOWN_BYTES)).decode(errors="replace")


class Orders:
    """What may be ordered of this server, by whom, and what was.

    Args:
        runs: the runs folder, resolved.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        # Whoever can read what the server printed has the key; other accounts of the machine can only look.
        self._key = secrets.token_urlsafe()
        self._secret = secrets.token_bytes()
        # Ports share cookies: two servers need two names.
        self.cookie = f"facenet-{secrets.token_hex(4)}"
        self._orders: list[Order] = []
        self._by_form: dict[str, int] = {}

    @property
    def key(self) -> str:
        """What the address that is printed has, and then the cookie."""
        return self._key

    def knows(self, key: str | None) -> bool:
        """Whether a key is that of this server."""
        return hmac.compare_digest((key or "").encode(), self._key.encode())

    def new_form(self) -> str:
        """What a form has that this server made: another one each time, so that one sent twice is one order."""
        number = secrets.token_urlsafe(16)
        return f"{number}.{self._signed(number)}"

    def made(self, form: str) -> bool:
        """Whether this server made a form."""
        number, _, signature = form.partition(".")
        return hmac.compare_digest(signature.encode(), self._signed(number).encode())

    def _signed(self, number: str) -> str:
        return hmac.new(self._secret, number.encode(), hashlib.sha256).hexdigest()

    def start(self, form: str, words: Sequence[str], address: str) -> int:
        """Starts a command, or finds the one that the same form has started.

        Args:
            form: one that this server made.
            words: the command, after `facenet`.
            address: of the form as it was filled in.

        Returns:
            The number of the order.

        Raises:
            UsageError: the system does not start it.
        """
        if form not in self._by_form:
            self._orders.append(self._start(words, address))
            self._by_form[form] = len(self._orders) - 1
        return self._by_form[form]

    def _start(self, words: Sequence[str], address: str) -> Order:
        path = os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")]))
        before = set(history.run_names(self._runs))
        output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server and the command
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipelines.cli", *words],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # neither Ctrl-C nor a closed terminal, which end the server, reach it
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL
            output.close()
            raise UsageError(
                "The system does not start this command.", received=f"{' '.join(words)} ({error})"
            ) from error
        return Order(words, address, before, process, output)

    def find(self, number: int) -> Order | None:
        """An order by its number, with its run if that has begun; None when there is none."""
        if not 0 <= number < len(self._orders):
            return None
        order = self._orders[number]
        if order.run is None:
            new = [name for name in history.run_names(self._runs) if name not in order.before]
            mine = (name for name in new if runner_of(self._runs, name) == order.process.pid)
            order.run = next((name for name in mine if history.run(self._runs, name)), None)
        return order

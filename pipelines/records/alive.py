"""Whether the runner of a run still lives: a killed one can no longer say so in a record."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

# Locked by the runner of a run while it lives.
_ALIVE = ".alive"
# In which the next container of a run has begun when one has ended.
_HANDING_OVER_SECONDS = 30.0


def _lock(file: IO[str]) -> None:
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def alive(runs: Path, run: str) -> Iterator[None]:
    """Shows that the runner of a run lives, with a lock that ends with the process, however that ends."""
    with (runs / run / _ALIVE).open("w") as file:
        _lock(file)
        yield


@contextmanager
def alive_in_turn(runs: Path, run: str) -> Iterator[None]:
    """The same for one of several processes of a run, beside or after each other; the next one has a while to begin."""
    with (runs / run / _ALIVE).open("a") as file:
        os.utime(file.fileno())
        # It waits for those that run beside it, and ends with the process.
        Thread(target=_lock, args=(file,), daemon=True).start()
        try:
            yield
        finally:
            until = time.time() + _HANDING_OVER_SECONDS
            os.utime(file.fileno(), (until, until))


def is_alive(runs: Path, run: str) -> bool:
    """Whether the runner of a run that has not ended lives; True also where no lock says otherwise."""
    lock = runs / run / _ALIVE
    try:
        if not lock.is_file():  # a pipe would be waited for
            return True
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return os.fstat(file.fileno()).st_mtime > time.time()
    except OSError:
        return True

"""Whether the runner of a run still lives: a killed one can no longer say so in a record."""

from __future__ import annotations

import fcntl
import os
import signal
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
_ID_DIGITS = 9


def _lock(file: IO[str]) -> None:
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def alive(runs: Path, run: str) -> Iterator[None]:
    """Shows that the runner of a run lives, with a lock that ends with the process, however that ends."""
    with (runs / run / _ALIVE).open("w") as file:
        _lock(file)
        print(os.getpid(), file=file, flush=True)
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


def runner_of(runs: Path, run: str) -> int | None:
    """The id of the process that runs a run, or did; None where it wrote none, as docker compose's containers."""
    file = runs / run / _ALIVE
    try:
        return int(file.read_text()[:_ID_DIGITS]) if file.is_file() else None
    except (OSError, ValueError):
        return None


def stop(runs: Path, run: str) -> bool:
    """Tells the runner of a run to stop, as SIGTERM does.

    Returns:
        Whether it was told: it lives, on this machine (Linux), and belongs to whoever asks.
    """
    runner = runner_of(runs, run)
    if runner is None or not hasattr(os, "pidfd_open"):
        return False
    try:
        process = os.pidfd_open(runner)  # from here on the id is nobody else's
        try:
            # Whoever has the file open is its runner: an id that was used again, or on another machine, is not.
            if not _has_open(runner, runs / run / _ALIVE):
                return False
            signal.pidfd_send_signal(process, signal.SIGTERM)
        finally:
            os.close(process)
    except OSError:
        return False
    return True


def _has_open(process: int, file: Path) -> bool:
    wanted = file.stat()
    for opened in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if os.path.samestat(opened.stat(), wanted):
                return True
    return False

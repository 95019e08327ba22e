"""The lock on a runs folder: any number of runs share it, and `facenet forget` and `runs --prune` hold it alone.

The system ends a lock with the processes that hold it, however they end. A task inherits the lock of its runner, so a
task that outlives a killed runner still holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from components.common.errors import UsageError
from pipelines.records.alive import is_alive
from pipelines.records.files import RUN_FILE, read_record
from pipelines.records.folder import unusable
from pipelines.records.record import RUNNING, RunRecord

# Locks that the file system does not have; rights that one does not have.
REFUSED = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EROFS}
# A run by docker compose sees its own folder only, and has its lock there.
_LOCK = ".lock"
# Held by `forget` too, so that another one knows that it is no run, and waits.
_TURN = ".forgetting.lock"


@contextmanager
def share(folder: Path) -> Iterator[int | None]:
    """Holds the lock as a run does, which keeps `forget` out; waits while somebody is being forgotten.

    Args:
        folder: of runs, or of one run by docker compose; made when missing.

    Yields:
        The descriptor that child processes inherit, so that they hold the lock too; None where there are no locks.

    Raises:
        UsageError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error) from error
    with _open(folder / _LOCK) as lock:
        if not _lock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB):
            print(
                f"Waiting: somebody is being forgotten, or runs are being deleted, in {folder}.",
                file=sys.stderr,
                flush=True,
            )
            _lock(lock, fcntl.LOCK_SH)
        yield None if lock is None else lock.fileno()


@contextmanager
def hold_alone(runs: Path) -> Iterator[None]:
    """Holds the lock as `forget` and `runs --prune` do, which keeps runs out; waits for another `forget`.

    Raises:
        UsageError: a run is going on, or a task of one whose runner was killed.
    """
    with ExitStack() as stack:
        turn = stack.enter_context(_open(runs / _TURN))
        if not _lock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB):
            print(
                f"Waiting: somebody else is being forgotten, or runs are being deleted, in {runs}.",
                file=sys.stderr,
                flush=True,
            )
            _lock(turn, fcntl.LOCK_EX)
        for file in runs.glob(f"*/{RUN_FILE}"):
            with suppress(ValueError):  # no record; the runner of a run of another version has its lock
                if read_record(file, RunRecord).state == RUNNING and is_alive(runs, file.parent.name):
                    raise _going_on(file.parent, "Wait for its end.")
        own = [file.parent for file in runs.glob(f"*/{_LOCK}") if not file.parent.is_symlink()]
        for folder in [runs, *own]:
            if not _lock(stack.enter_context(_open(folder / _LOCK)), fcntl.LOCK_EX | fcntl.LOCK_NB):
                users = f"fuser {folder / _LOCK}"
                raise _going_on(folder, f"Wait for its end, or that of a task whose runner was killed: {users}")
        yield


def _going_on(folder: Path, advice: str) -> UsageError:
    return UsageError("A run is going on in this folder.", received=folder, advice=advice)


@contextmanager
def _open(file: Path) -> Iterator[IO[bytes] | None]:
    """The file of a lock; None, and says so, where the system refuses it."""
    with ExitStack() as stack:
        lock = None
        try:
            # NFS wants to write what it locks alone; another user's file can only be read.
            readable = file.exists() and not os.access(file, os.W_OK)
            lock = stack.enter_context(file.open("rb" if readable else "ab+"))
        except OSError as error:
            _or_without(file, error)
        yield lock


def _lock(file: IO[bytes] | None, how: int) -> bool:
    """Takes a lock. True when it was free, or where there are no locks."""
    if file is None:
        return True
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as error:
        _or_without(Path(str(file.name)), error)
    return True


def _or_without(file: Path, error: OSError) -> None:
    if error.errno not in REFUSED:
        raise error
    if file.name == _LOCK:
        print(
            f"Without a lock: {file} ({error.strerror}); forget nobody while a run is going on.",
            file=sys.stderr,
            flush=True,
        )

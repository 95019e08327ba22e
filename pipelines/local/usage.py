"""The processor time and the peak memory of a task, read from Linux's /proc.

All processes of a task are one session, in a container too. They are sampled a few times a second: a peak between two
samples is missed, and so is what a container did after the last one. Memory that processes share counts for each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

_PROCESSES = Path("/proc")
_EVERY_SECONDS = 0.25
# In /proc/PID/stat, after the name of the program: see proc(5), where they have the numbers 6, 14 to 17, 24.
_SESSION, _TIMES, _RESIDENT = 3, slice(11, 15), 21


class Meter:
    """Measures a session while a block runs; `cpu_seconds` and `peak_bytes` stay None where that cannot be known.

    Args:
        session: gives the number of the session; None as long as it has not begun, 0 when it is not on this machine.
    """

    def __init__(self, session: Callable[[], int | None]) -> None:
        self.cpu_seconds: float | None = None
        self.peak_bytes: int | None = None
        self._find = session
        self._session: int | None = None
        self._over = Event()
        self._thread = Thread(target=self._sample_until_over, daemon=True)

    def __enter__(self) -> Meter:
        if _PROCESSES.is_dir():
            self._thread.start()
        else:
            self._over.set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._sample()

    def _sample_until_over(self) -> None:
        self._sample()
        while not self._over.wait(_EVERY_SECONDS):
            self._sample()

    def _sample(self) -> None:
        if self._session is None:
            self._session = self._find()
        if self._session:
            seconds, resident = _usage(self._session)
            self.cpu_seconds = max(self.cpu_seconds or 0.0, seconds)
            self.peak_bytes = max(self.peak_bytes or 0, resident)


def _usage(session: int) -> tuple[float, int]:
    """The processor time of a session's processes and of those that they have waited for, and their bytes of memory."""
    ticks = pages = 0
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[_SESSION]) == session:
            ticks += sum(map(int, fields[_TIMES]))
            pages += int(fields[_RESIDENT])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")

"""Runs what is ready side by side, each on its share of the processors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from pipelines.local.processes import BackEnd, Ended, Invocation

Work = TypeVar("Work")

# A signal may reach another thread, or this one just before it waits; Python acts on it only when this one wakes up.
_WAKE_SECONDS = 0.5


def side_by_side(
    back_end: BackEnd,
    ready: Callable[[], Iterable[Work]],
    start: Callable[[Work, tuple[int, ...]], Invocation],
    finish: Callable[[Work, Ended], None],
) -> None:
    """Runs pieces of work until no more come, at most one for each processor at a time.

    The processors that are free are shared by the pieces that are ready. Only executing is done in threads: the three
    functions are called in this one, one at a time.

    Args:
        back_end: what executes.
        ready: gives what has become ready since it was last called.
        start: makes the invocation of a piece, given the processors that it may use, none for all of them.
        finish: takes a piece and how it ended.

    Raises:
        KeyboardInterrupt, SystemExit: as they come here, after all that ran was stopped; so does any other exception.
    """
    free = _processors()
    total, waiting = len(free), list[Work]()
    running: dict[Future[Ended], tuple[Work, list[int]]] = {}
    with ThreadPoolExecutor(total) as pool:
        try:
            while True:
                waiting += ready()
                while waiting and free:
                    work, share = waiting.pop(0), max(1, len(free) // (len(waiting) + 1))
                    cores, free = free[:share], free[share:]
                    invocation = start(work, tuple(cores) if share < total else ())
                    running[pool.submit(back_end.execute, invocation)] = work, cores
                if not running:
                    return
                for future in wait(running, _WAKE_SECONDS, FIRST_COMPLETED).done:
                    work, cores = running.pop(future)
                    free = sorted([*free, *cores])
                    finish(work, future.result())
        except BaseException as reason:
            back_end.stop(reason)
            raise


def _processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))

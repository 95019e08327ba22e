"""One task after another on all cores, where a process that is killed costs its task and nothing else.

Python's own process pools lose every task in flight when one process dies, and cannot say whose fault it was. Here each
process holds one task at a time, on a pipe of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar, cast

from components.common.errors import FacenetError

Task = TypeVar("Task")
Result = TypeVar("Result")

# Results are handed on in the order of the tasks: how many, for each process, may wait for a slow one before them.
_AHEAD = 64
# Processes that die one after another without finishing a single task: the fault is not the tasks'.
_DEATHS_IN_A_ROW = 10

# Spawned, not forked: a caller may have threads of its own (TensorFlow's, a test runner's).
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Died:
    """Stands for the result of a task whose process was killed.

    Args:
        exit_code: of the process; the negative number of the signal when one killed it.
    """

    exit_code: int


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Task], Result], tasks: Sequence[Task], processes: int) -> Iterator[Result | Died]:
    """Does each task in one of several processes.

    Args:
        work: what to do with a task: a function of a module, or a `functools.partial` of one.
        tasks: what to do it with.
        processes: number of processes, at least 1.

    Yields:
        What `work` returned, in the order of `tasks`; at most `_AHEAD` results for each process are held back.

    Raises:
        FacenetError: processes keep dying, whatever the task.
    """
    workers = [_Worker(work) for _ in range(min(processes, len(tasks)))]
    try:
        yield from _dealt(workers, tasks)
    finally:
        for worker in workers:
            worker.stop()


def _dealt(workers: list[_Worker[Task, Result]], tasks: Sequence[Task]) -> Iterator[Result | Died]:
    idle, busy = list(workers), dict[Connection, tuple[_Worker[Task, Result], int]]()
    done: dict[int, Result | Died] = {}
    started = finished = deaths = 0
    while finished < len(tasks):
        while idle and started < min(len(tasks), finished + _AHEAD * len(workers)):
            worker = idle.pop()
            worker.start(tasks[started])
            busy[worker.pipe] = worker, started
            started += 1
        for pipe in wait(list(busy)):
            worker, number = busy.pop(cast(Connection, pipe))
            done[number] = result = worker.result()
            deaths = deaths + 1 if isinstance(result, Died) else 0
            if isinstance(result, Died) and deaths >= _DEATHS_IN_A_ROW:
                raise _dying(result, deaths)
            idle.append(worker)
        while finished in done:
            yield done.pop(finished)
            finished += 1


def _dying(last: Died, deaths: int) -> FacenetError:
    return FacenetError(
        "The processes that do the work keep dying.",
        received=f"{deaths} in a row, the last with exit code {last.exit_code}",
        advice="Most likely memory runs out: try fewer --workers, or a smaller --max_pixels.",
    )


class _Worker(Generic[Task, Result]):
    """A process that does one task at a time, and its successors after a death."""

    def __init__(self, work: Callable[[Task], Result]) -> None:
        self._work = work
        self._begin()

    def _begin(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self._process: BaseProcess = _SPAWN.Process(target=_serve, args=(theirs, self._work), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def start(self, task: Task) -> None:
        """Hands over a task; a process that is dead already is noticed in `result`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)

    def result(self) -> Result | Died:
        """Waits for the task's result."""
        try:
            return cast(Result, self.pipe.recv())
        except (EOFError, ConnectionResetError):
            self._process.join()
            died = Died(self._process.exitcode or 0)
            self.stop()
            self._begin()
            return died

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self.pipe.close()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Holds back Ctrl-C here; what is started meanwhile never gets it, so that the parent alone answers it."""
    resource_tracker.ensure_running()  # started on demand otherwise, and that would let Ctrl-C through
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _serve(pipe: Connection, work: Callable[[Task], Result]) -> None:
    # Pillow remarks on every oddity of a file, once in every process.
    warnings.simplefilter("ignore")
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone

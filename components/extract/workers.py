"""One task after another on all cores, where a process that is killed, or hangs, costs its task and nothing else.

Python's own process pools lose every task in flight when one process dies, and cannot say whose fault it was. Here each
process holds one task at a time, on a pipe of its own; of a pipe that several share, one that is killed while it sends
would leave half of its result to the others.
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
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

_STOPS = (signal.SIGINT, signal.SIGTERM)

# Held while a process starts, and when this one ends: a process whose parent ends meanwhile would complain.
_STARTING = threading.Lock()
atexit.register(_STARTING.acquire)

# Spawned, not forked: a caller may have threads of its own (TensorFlow's, a test runner's).
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Died:
    """Stands for the result of a task whose process was killed.

    Args:
        exit_code: of the process; the negative number of the signal when one killed it.
    """

    exit_code: int


@dataclass(frozen=True)
class Late:
    """Stands for the result of a task that was not done in time: its process was ended.

    Args:
        seconds: that it had.
    """

    seconds: float


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], processes: int, seconds: float, ahead: int = _AHEAD
) -> Iterator[Result | Died | Late]:
    """Does each task in one of several processes.

    Args:
        work: what to do with a task: a function of a module, or a `functools.partial` of one.
        tasks: what to do it with.
        processes: number of processes, at least 1 where there is a task.
        seconds: how long one task may take; the start of its process counts, where it needs a new one.
        ahead: how many tasks for each process are taken before the first of them is done.

    Yields:
        What `work` returned, in the order of `tasks`; at most `ahead` results for each process are held back.

    Raises:
        FacenetError: processes keep dying, whatever the task.
    """
    workers: list[_Worker[Task, Result]] = []
    try:
        workers.extend(_Worker(work, seconds) for _ in range(processes))
        yield from _dealt(workers, iter(tasks), ahead)
    finally:
        for worker in workers:
            worker.stop()


def _dealt(workers: list[_Worker[Task, Result]], tasks: Iterator[Task], ahead: int) -> Iterator[Result | Died | Late]:
    idle, busy = list(workers), dict[Connection, tuple[_Worker[Task, Result], int]]()
    done: dict[int, Result | Died | Late] = {}
    started = finished = deaths = 0
    while True:
        room = finished + ahead * len(workers) - started
        for task in islice(tasks, min(len(idle), room)):
            worker = idle.pop()
            worker.start(task)
            busy[worker.pipe] = worker, started
            started += 1
        if not busy:
            return
        for pipe in _ready([worker for worker, _ in busy.values()]):
            worker, number = busy.pop(pipe)
            done[number] = result = worker.result()
            deaths = deaths + 1 if isinstance(result, Died) else 0
            if isinstance(result, Died) and deaths >= _DEATHS_IN_A_ROW:
                raise _dying(result, deaths)
            idle.append(worker)
        while finished in done:
            yield done.pop(finished)
            finished += 1


def _ready(busy: Sequence[_Worker[Task, Result]]) -> list[Connection]:
    """Waits for the pipes of the workers that have a result, have died, or whose time is up."""
    until = min(worker.due for worker in busy)
    ready = cast(list[Connection], wait([worker.pipe for worker in busy], max(0.0, until - time.monotonic())))
    return ready or [worker.pipe for worker in busy if worker.due <= until]


def _dying(last: Died, deaths: int) -> FacenetError:
    return FacenetError(
        "The processes that do the work keep dying.",
        received=f"{deaths} in a row, the last with exit code {last.exit_code}",
        advice="Most likely memory runs out: try fewer --workers, or a smaller --max_pixels.",
    )


class _Worker(Generic[Task, Result]):
    """A process that does one task at a time, and its successors after a death.

    Attributes:
        due: when the time of its task is up, by the monotonic clock.
    """

    def __init__(self, work: Callable[[Task], Result], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self.due = 0.0
        self._begin()

    def _begin(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self._process: BaseProcess = _SPAWN.Process(target=_serve, args=(theirs, self._work), daemon=True)
        with _STARTING, _started_whole():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def start(self, task: Task) -> None:
        """Hands over a task; a process that is dead already is noticed in `result`."""
        self.due = time.monotonic() + self._seconds
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)

    def result(self) -> Result | Died | Late:
        """The task's result, which is there, or else its time is up."""
        if not self.pipe.poll():
            self._begin_anew()
            return Late(self._seconds)
        try:
            return cast(Result, self.pipe.recv())
        except (EOFError, OSError):  # killed before it sent its result, or while it did
            self._process.join()
            died = Died(self._process.exitcode or 0)
            self._begin_anew()
            return died

    def _begin_anew(self) -> None:
        self.stop()
        self._begin()

    def stop(self) -> None:
        """Ends the process, whatever it is doing; it holds nothing that would be lost."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


@contextmanager
def _started_whole() -> Iterator[None]:
    """Puts off what asks this process to stop: one that is started by half would complain.

    What is started meanwhile never gets Ctrl-C, so that the parent alone answers it.
    """
    resource_tracker.ensure_running()  # started on demand otherwise, and that would let Ctrl-C through
    asked: list[int] = []
    # To block a signal is not enough: the system gives it to another thread, and Python has the main one answer it.
    main = threading.current_thread() is threading.main_thread()
    answers = {each: signal.signal(each, lambda number, _: asked.append(number)) for each in _STOPS if main}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        for each, answer in answers.items():
            signal.signal(each, answer)
    if asked:
        signal.raise_signal(asked[0])


def _serve(pipe: Connection, work: Callable[[Task], Result]) -> None:
    # Pillow remarks on every oddity of a file, once in every process.
    warnings.simplefilter("ignore")
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone

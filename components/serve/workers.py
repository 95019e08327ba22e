"""Processes that each have the network and do one task at a time: what one costs or breaks, no other request feels."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from components.common.errors import FacenetError
from components.extract.workers import in_order
from components.verify.model import Model, open_model
from components.verify.settings import ModelSettings

Task = TypeVar("Task")
Result = TypeVar("Result")
# What is to be done with the network: a function of a module, or a `functools.partial` of one.
WithModel = Callable[[Model], Any]


class Threads(Generic[Task, Result]):
    """Threads that take tasks off one queue; nothing waits for them when the program ends.

    Args:
        makers: one for each thread, called there first: it makes the function that does a task.
    """

    def __init__(self, makers: Sequence[Callable[[], Callable[[Task], Result]]]) -> None:
        self._tasks: SimpleQueue[tuple[Task, Future[Result]]] = SimpleQueue()
        for make in makers:
            threading.Thread(target=self._serve, args=(make,), daemon=True).start()

    async def __call__(self, task: Task) -> Result:
        """Has a task done, and returns or raises what came of it."""
        future: Future[Result] = Future()
        self._tasks.put((task, future))
        return await asyncio.wrap_future(future)

    def _serve(self, make: Callable[[], Callable[[Task], Result]]) -> None:
        work = make()
        while True:
            task, future = self._tasks.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(task))
                except Exception as error:
                    future.set_exception(error)
            del task, future  # photos, which nobody waits for any longer


class Workers:
    """The processes.

    Args:
        settings: what opened `model`.
        model: what each of them must open too, also one that is started later, when another file may lie there.
        number: of processes.
        seconds: how long a task may take.
    """

    def __init__(self, settings: ModelSettings, model: Model, number: int, seconds: float) -> None:
        self._work = partial(_work, replace(settings, checkpoint=model.path), model.network.sha256)
        self._seconds = seconds
        self._number = number
        self._open: list[_Process] = []
        self._threads: Threads[WithModel, Any] = Threads([self._process] * number)

    @property
    def ready(self) -> bool:
        """Whether each has opened the network."""
        return len(self._open) == self._number

    async def __call__(self, task: WithModel) -> Any:
        """Does a task in one of the processes.

        Returns:
            What the task returned; `Died` or `Late` where its process ended before that.

        Raises:
            FacenetError: what the task raised.
        """
        result = await self._threads(task)
        if isinstance(result, FacenetError):
            raise result
        return result

    def _process(self) -> _Process:
        process, said = _Process(self._work, self._seconds), False
        while (opened := process.open()) is not True:
            if not said:
                print(f"A process could not open the network, and tries again: {opened}", file=sys.stderr, flush=True)
            said = True
            time.sleep(1)
        self._open.append(process)
        return process


class _Process:
    """A process that does tasks, and its successors: whatever ends it, the next task has another."""

    def __init__(self, work: Callable[[WithModel], Any], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._begin()

    def _begin(self) -> None:
        self._tasks: SimpleQueue[WithModel] = SimpleQueue()
        self._results = in_order(self._work, iter(self._tasks.get, None), 1, self._seconds, ahead=1)

    def open(self) -> object:
        """Opens the network: True, or why it could not."""
        try:
            return self(_is_open)
        except Exception as error:
            return error

    def __call__(self, task: WithModel) -> Any:
        self._tasks.put(task)
        try:
            return next(self._results)
        except Exception:  # the system starts no process, or ten died in a row; somebody's photos may do that
            self._begin()
            raise


def _work(settings: ModelSettings, sha256: str, task: WithModel) -> Any:
    """Does a task, in a process of its own; an error comes back as a value, because raised it would end the process."""
    try:
        return task(_opened(settings, sha256))
    except FacenetError as error:
        return error


@cache
def _opened(settings: ModelSettings, sha256: str) -> Model:
    with contextlib.redirect_stderr(io.StringIO()):  # what there is to say, the server has said
        model = open_model(settings, threads=1)
    if model.network.sha256 != sha256:
        raise FacenetError(
            "The network is no longer the one that the server was started with.",
            received=f"{model.path}, {model.network.sha256[:12]}; before {sha256[:12]}",
            advice="Start the server anew: thresholds and gallery belong to a network.",
        )
    return model


def _is_open(_: Model) -> bool:
    return True

"""Parts of trials, each a run of its own, side by side on this machine's processors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from components.common.cores import cores
from components.common.memory import memory
from pipelines.cache.cache import Cache
from pipelines.local.processes import BackEnd, Ended, Invocation
from pipelines.local.runner import Attempt, Runner
from pipelines.local.schedule import side_by_side
from pipelines.plan.tasks import Pipeline
from pipelines.records.folder import new_run
from pipelines.records.record import RunRecord

# Of the memory, the rest being for what the machine does besides.
_SHARE = 0.8


@dataclass(frozen=True)
class Begun:
    """A part of a trial that is to be run.

    Args:
        trial: its number.
        pipeline: what to run, every parameter with its value.
        record: makes the record of the run, given its id.
        goes_on_from: see `Runner`.
    """

    trial: int
    pipeline: Pipeline
    record: Callable[[str], RunRecord]
    goes_on_from: Mapping[str, str]


@dataclass
class _Going:
    part: Begun
    runner: Runner
    stack: ExitStack


class SideBySide:
    """Runs parts of trials, as many at a time as there is room for.

    Args:
        runs: the runs folder, absolute.
        cache: of the runs folder.
        back_end: what executes tasks.
        at_once: the most at a time; None for as many as processors and memory have room for.
        peak: bytes that a trial is known to have held; None when nothing is known: then one runs alone at first.
        begun: is told that a part has begun, and its run.
        ended: is told that it has ended, well or not.
    """

    def __init__(
        self,
        runs: Path,
        cache: Cache,
        back_end: BackEnd,
        *,
        at_once: int | None,
        peak: int | None,
        begun: Callable[[int, Runner], None],
        ended: Callable[[int, Runner], None],
    ) -> None:
        self.peak = peak
        self._runs, self._cache, self._back_end = runs, cache, back_end
        self._at_once, self._begun, self._ended = at_once, begun, ended
        self._waiting: list[Begun] = []
        self._going: list[_Going] = []

    def __call__(self, parts: Sequence[Begun]) -> None:
        """Runs parts to their ends.

        Raises:
            KeyboardInterrupt, SystemExit: as they come, after all that ran was stopped; so does any other exception.
        """
        self._waiting = list(parts)
        try:
            side_by_side(self._back_end, self._ready, self._start, self._finish)
        except BaseException:
            for one in self._going:
                one.stack.__exit__(*sys.exc_info())
            raise

    @property
    def room(self) -> int:
        """How many parts may run at a time, as far as is known."""
        if self._at_once is not None:
            return self._at_once
        if any(Path("/dev").glob("nvidia[0-9]*")):  # each would take all of its memory
            return 1
        return 1 if self.peak is None else max(1, min(cores(), int(memory() * _SHARE / max(1, self.peak))))

    def _ready(self) -> Iterator[tuple[_Going, Attempt]]:
        changed = True
        while changed:  # what the cache answers ends without having run
            changed = False
            for one in list(self._going):
                for attempt in one.runner.ready():
                    yield one, attempt
                if one.runner.over:
                    self._end(one)
                    changed = True
            while self._waiting and len(self._going) < self.room:
                self._begin(self._waiting.pop(0))
                changed = True

    def _begin(self, part: Begun) -> None:
        record = part.record(new_run(self._runs))
        runner = Runner(
            part.pipeline,
            record,
            self._runs,
            self._cache,
            self._back_end,
            lambda line: None,  # of several at a time, the records say it better
            goes_on_from=part.goes_on_from,
        )
        stack = ExitStack()
        stack.enter_context(runner.begun())
        self._going.append(_Going(part, runner, stack))
        self._begun(part.trial, runner)

    def _end(self, going: _Going) -> None:
        self._going.remove(going)
        going.stack.close()
        peaks = [task.peak_bytes for task in going.runner.tasks.values() if task.peak_bytes is not None]
        if peaks:
            self.peak = max(self.peak or 0, *peaks)
        self._ended(going.part.trial, going.runner)

    def _start(self, work: tuple[_Going, Attempt], cores: tuple[int, ...]) -> Invocation:
        return work[0].runner.start(work[1], cores)

    def _finish(self, work: tuple[_Going, Attempt], ended: Ended) -> None:
        work[0].runner.finish(work[1], ended)

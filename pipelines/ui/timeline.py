"""When the tasks of a run were worked on, from its beginning: bars in per cent of its time, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.look.history import Run, edges
from pipelines.records.record import CACHED, PENDING, RUNNING, TaskRecord
from pipelines.records.summary import duration

_MARKS = 5  # at most, besides that of the beginning
_STEPS = (("s", 1), ("min", 60), ("h", 3600))
_ROUND = (1, 2, 5, 10, 15, 20, 30)
_WORTH_SAYING = 0.1  # seconds that a task waited


@dataclass(frozen=True)
class Bar:
    """A task in a timeline; times are seconds since the run began.

    Args:
        task: its record.
        ready: when all that it needs had ended; None while that has not.
        began: None when it has not.
        ended: of a task that is worked on, now; None when it has not begun, or nobody wrote down its end.
        span: of the whole timeline.
    """

    task: TaskRecord
    ready: float | None
    began: float | None
    ended: float | None
    span: float

    @property
    def waiting(self) -> tuple[float, float] | None:
        """Where the bar of its waiting begins and how long it is, in per cent; None when it did not wait."""
        until = self.span if self.task.state == PENDING else self.began
        return None if self.ready is None or until is None or until <= self.ready else self._part(self.ready, until)

    @property
    def working(self) -> tuple[float, float] | None:
        """The same of the time in which it was worked on."""
        return None if self.began is None or self.ended is None else self._part(self.began, self.ended)

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        if self.began is None:
            if self.task.state != PENDING:
                return "It was not begun."
            return "It waits for others." if self.ready is None else f"It waits since {duration(self.ready)}."
        if self.task.state == CACHED:
            made = self.task.origin["seconds"] if self.task.origin else None
            took = "" if made is None else f", which took {duration(made)} when it was made"
            return f"Its result was taken from an earlier run after {duration(self.began)}{took}."
        waited = self.began - self.ready if self.ready is not None else 0.0
        waiting = f" and a wait of {duration(waited)}" if waited >= _WORTH_SAYING else ""
        if self.ended is None:
            how = "nobody wrote down its end"
        else:
            took = duration(self.ended - self.began)
            how = f"has taken {took} so far" if self.task.state == RUNNING else f"took {took}"
        return f"It began after {duration(self.began)}{waiting}, and {how}."

    def _part(self, start: float, stop: float) -> tuple[float, float]:
        return 100 * start / self.span, 100 * (stop - start) / self.span


@dataclass(frozen=True)
class Timeline:
    """The bars of a run's tasks, and marks of its time: where they are in per cent, and what is written there."""

    bars: list[Bar]
    marks: list[tuple[float, str]]


def timeline(run: Run, tasks: Sequence[TaskRecord]) -> Timeline:
    """The timeline of a run; it has no marks while nothing has begun.

    Args:
        run: the run.
        tasks: its tasks, as `history.tasks` gives them.
    """
    zero = _moment(run.record.started)
    now = datetime.now(UTC)

    def since(moment: datetime | None) -> float | None:
        # Clocks are set, and records may be changed by hand: nothing is before the beginning.
        return None if zero is None or moment is None else max(0.0, (moment - zero).total_seconds())

    done = {task.task: since(_moment(task.ended)) for task in tasks}
    needs: dict[str, list[float | None]] = {task.task: [] for task in tasks}
    for giver, taker in edges(tasks):
        needs[taker].append(done[giver])
    times = []
    for task in tasks:
        began = since(_moment(task.started))
        ended = since(now) if task.state == RUNNING else done[task.task]
        times.append((began, None if began is None or ended is None else max(began, ended)))
    known = [time for both in times for time in both if time is not None]
    span = max([*known, since(now if run.state == RUNNING else _moment(run.record.ended)) or 0.0]) or 1.0
    bars = []
    for task, (began, ended) in zip(tasks, times, strict=True):
        needed = [time for time in needs[task.task] if time is not None]
        ready = max(needed, default=0.0) if len(needed) == len(needs[task.task]) else None
        bars.append(Bar(task, ready, began, ended, span))
    return Timeline(bars, _marks(span) if known else [])


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _marks(span: float) -> list[tuple[float, str]]:
    """Marks at round times, few enough to be read."""
    steps = [(unit, size, each) for unit, size in _STEPS for each in _ROUND]
    fitting = [(unit, size, each) for unit, size, each in steps if span / (size * each) <= _MARKS]
    if not fitting:
        return [(0.0, "0"), (100.0, duration(span))]
    unit, size, each = fitting[0]
    count = int(span / (size * each))
    return [
        (100 * number * each * size / span, f"{number * each} {unit}" if number else "0") for number in range(count + 1)
    ]

"""The pages of searches for settings: their trials as curves, in parallel coordinates, and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from pipelines.look.searches import curve, find_search, searches
from pipelines.plan.values import as_text
from pipelines.records.record import RUNNING
from pipelines.records.search import SearchRecord, Trial, scores_of
from pipelines.ui.pages import Pages

_SOON = 3000  # milliseconds after which a page of a search that goes on looks again
_WIDTH, _HEIGHT, _EDGE = 760.0, 260.0, 46.0  # of a figure, in its own units
_TICKS = 4


@dataclass(frozen=True)
class Line:
    """A trial as a line of a figure: its number, its points as SVG writes them, and what a pointer on it says."""

    number: int
    points: str
    about: str


@dataclass(frozen=True)
class Axis:
    """An axis of a figure: its name, where it stands, and its ticks: where each is, and what stands there."""

    name: str
    at: float
    ticks: Sequence[tuple[float, str]]


class SearchPages(Pages):
    """The pages of the searches in a runs folder."""

    def searches(self, request: Request) -> Response:
        """All searches."""
        found = searches(self._runs)
        return self.page(
            "searches.html",
            [("Searches", "/searches")],
            searches=found,
            live=_SOON * any(record.state == RUNNING for record in found),
        )

    def search(self, request: Request) -> Response:
        """A search with its trials."""
        record = find_search(self._runs, request.path_params["search"])
        names = list(record.trials[0]["settings"]) if record.trials else []
        sort = request.query_params.get("sort", "-score")
        trials = sorted(record.trials, key=_order(sort.removeprefix("-"), sort.startswith("-")))
        curves = {trial["number"]: curve(self._runs, record, trial) for trial in record.trials}
        return self.page(
            "search.html",
            [("Searches", "/searches"), (record.id, f"/searches/{record.id}")],
            search=record,
            trials=trials,
            names=names,
            score=_score,
            sort=sort,
            order=lambda name: {name: "ascending", f"-{name}": "descending"}.get(sort, "none"),
            address=lambda name: "?" + urlencode({"sort": name if sort == f"-{name}" else f"-{name}"}),
            size=(_WIDTH, _HEIGHT),
            curves=_curves(record, curves),
            parallel=_parallel(record, names),
            live=_SOON * (record.state == RUNNING),
        )


def _score(trial: Trial) -> tuple[int, float] | None:
    """How far a trial came and its score there; None when it has none."""
    scores = scores_of(trial)
    return scores[-1] if scores else None


def _order(name: str, falling: bool) -> Callable[[Trial], Any]:
    """What trials are sorted by: those without a value come last, in either direction."""
    sign = -1 if falling else 1

    def key(trial: Trial) -> Any:
        value: Any
        if name == "score":
            value = _score(trial)
        elif name == "trial":
            value = trial["number"]
        else:
            value = trial["settings"].get(name)
        numbers = value if isinstance(value, tuple) else (value,)
        known = all(isinstance(one, int | float) for one in numbers)
        return (
            value is None,
            [sign * one for one in numbers] if known else [],
            "" if known else str(value),
            trial["number"],
        )

    return key


def _about(trial: Trial) -> str:
    score = _score(trial)
    said = "no score yet" if score is None else f"{score[1]:.4f} after {score[0]} rounds"
    settings = ", ".join(f"{name}={as_text(value)}" for name, value in trial["settings"].items())
    return f"Trial {trial['number']}: {said}; {settings}"


def _curves(record: SearchRecord, curves: Mapping[int, Sequence[tuple[int, float]]]) -> tuple[list[Line], list[Axis]]:
    """The scores of all trials by rounds, and the axes across and up."""
    points = [point for each in curves.values() for point in each]
    if not points:
        return [], []
    most = max(round_ for round_, _ in points)
    across, rounds = _scale([0, most], _EDGE, _WIDTH - _EDGE / 2, whole=True)
    up, scores = _scale([score for _, score in points], _HEIGHT - _EDGE / 2, _EDGE / 2)
    lines = [
        Line(
            trial["number"],
            " ".join(f"{across(number):.1f},{up(score):.1f}" for number, score in curves[trial["number"]]),
            _about(trial),
        )
        for trial in _winner_last(record)
        if curves[trial["number"]]
    ]
    return lines, [Axis("rounds", _HEIGHT - _EDGE / 2, rounds), Axis(record.by, _EDGE, scores)]


def _parallel(record: SearchRecord, names: Sequence[str]) -> tuple[list[Line], list[Axis]]:
    """A line for each trial through its settings and its score, of those that have one."""
    trials = [trial for trial in _winner_last(record) if _score(trial) is not None]
    if not trials:
        return [], []
    values = {name: [trial["settings"][name] for trial in trials] for name in names}
    values[record.by] = [score[1] for trial in trials if (score := _score(trial)) is not None]
    step = (_WIDTH - 2 * _EDGE) / max(1, len(names))
    axes, places = [], {}
    for number, (name, own) in enumerate(values.items()):
        log = isinstance(domain := record.asked.get("search", {}).get(name), dict) and "log" in domain
        up, ticks = _scale(own, _HEIGHT - _EDGE / 2, _EDGE, log=log)
        axes.append(Axis(name.rpartition(".")[2], _EDGE + number * step, ticks))
        places[name] = [f"{axes[-1].at:.1f},{up(value):.1f}" for value in own]
    lines = [
        Line(trial["number"], " ".join(places[name][place] for name in values), _about(trial))
        for place, trial in enumerate(trials)
    ]
    return lines, axes


def _winner_last(record: SearchRecord) -> list[Trial]:
    """The trials, the winner at the end, where it is drawn over the others."""
    return sorted(record.trials, key=lambda trial: trial["number"] == record.winner)


def _scale(
    values: Sequence[Any], low: float, high: float, *, log: bool = False, whole: bool = False
) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """Where a value stands between two places of a figure, and ticks; values that are no numbers stand side by side."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        known = sorted({as_text(one) for one in values})
        places = {name: low + (high - low) * (number + 0.5) / len(known) for number, name in enumerate(known)}
        return lambda value: places[as_text(value)], [(place, name) for name, place in places.items()]
    read: Callable[[float], float] = math.log if log and min(values) > 0 else float
    first, last = read(min(values)), read(max(values))
    wide = last - first or 1.0

    def place(value: float) -> float:
        return low + (high - low) * ((read(value) - first) / wide if last > first else 0.5)

    steps = [first + (last - first) * number / _TICKS for number in range(_TICKS + 1)]
    marks = [math.exp(one) if read is math.log else one for one in steps]
    marks = sorted({round(one) if whole else float(f"{one:.3g}") for one in marks} if last > first else {values[0]})
    return place, [(place(mark), f"{mark:g}") for mark in marks if mark > 0 or read is not math.log]

"""Runs side by side: the settings that differ, their numbers and which is best, and their ROC and DET curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from components.common.errors import MALFORMED
from components.common.records import METRICS, number, read_metrics, whole
from pipelines.description import BETTER, Score, scores
from pipelines.look.history import Run, tasks
from pipelines.look.inside import inside
from pipelines.records.record import TaskRecord

# Kubeflow's type of a curve: its metadata is what `components.evaluate.kubeflow` writes.
_CURVE = "system.ClassificationMetrics"
# FAR and VAL, or FPIR and FNIR, ascending.
Curve = Sequence[tuple[float, float]]
_Drawn = TypeVar("_Drawn")


# Of the plot's lines the number of a colour and of a kind of line: neighbours differ in both, no two are alike.
STYLES = [((number + number // 3) % 3, number % 3) for number in range(9)]


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side; what is said of each run stands in their order.

    Args:
        settings: the parameters of the pipeline and, of tasks that all of these runs have begun, of tasks that differ,
            with the values of each; None where a run has no such parameter.
        metrics: the numbers by task and name, likewise, equal ones among them.
        curves: the ROC curve of each run; None of one that has no such curve.
        scores: the headline numbers that a report of theirs has, by what they are called: the value in each run, with
            its 95 % interval where there is one; None where a run has no such number.
        people: of the largest gallery that all runs with a report on galleries measured, with a face of each enrolled;
            0 when there is none.
        dets: the DET curve of each run in such a gallery; None of one without.
        same_faces: whether all that had a dataset had the same.
    """

    settings: Mapping[str, Sequence[Any]]
    metrics: Mapping[tuple[str, str], Sequence[Any]]
    curves: Sequence[Curve | None]
    scores: Mapping[str, Sequence[Score | None]]
    people: int
    dets: Sequence[Curve | None]
    same_faces: bool


def compare(folder: Path, runs: Sequence[Run]) -> RunComparison:
    """Compares runs of a runs folder."""
    records = [tasks(folder, run) for run in runs]
    of_pipeline = _side_by_side([run.record.parameters for run in runs])
    differing = {name: values for name, values in of_pipeline.items() if differ(values)}
    begun = set.intersection(*({task.task for task in each if task.parameters} for each in records))
    for (task, name), values in _side_by_side([_parameters(each) for each in records]).items():
        # What a task has from the pipeline is not said twice.
        if task in begun and differ(values) and differing.get(name) != values:
            differing[f"{task}.{name}"] = values
    reports = [_report(folder, each) for each in records]
    galleries = [_dets(each) for each in reports]
    sizes = [set(each) for each in galleries if each]
    people = max(set.intersection(*sizes), default=0) if sizes else 0
    return RunComparison(
        differing,
        _side_by_side([_metrics(each) for each in records]),
        [_curve(each) for each in records],
        _side_by_side([_scores(each) for each in reports]),
        people,
        [each.get(people) for each in galleries],
        len({measured for each in records if (measured := _dataset_hash(each))}) < 2,
    )


def differ(values: Sequence[Any]) -> bool:
    """Whether not all runs have the same value."""
    return any(one != values[0] for one in values)


def best(name: str, values: Sequence[Any]) -> list[int]:
    """The places of the best values of a number; none where more is neither better nor worse, or all are alike."""
    pick = next((pick for names, pick in BETTER.items() if names.fullmatch(name)), None)
    known = [one for one in values if isinstance(one, int | float)]
    if pick is None or len(set(known)) < 2:
        return []
    return [place for place, one in enumerate(values) if one == pick(known)]


def roc_plot(curves: Sequence[tuple[str, Curve | None]]) -> str:
    """VAL over FAR of some runs, FAR logarithmic.

    Args:
        curves: the name and the curve of each, as many as there are `STYLES` at most; one that is None keeps its style.

    Returns:
        An `<svg>` element in the page's colours: see `components.page.figures`.
    """
    from components.page.figures import roc_curves

    lowest = min((far for _, curve in curves for far, _ in curve or () if far > 0), default=0.1)
    return roc_curves("ROC curves", _styled(curves), lowest, legend=False)


def det_plot(curves: Sequence[tuple[str, Curve | None]]) -> str:
    """FNIR over FPIR of some runs, both logarithmic; see `roc_plot`."""
    from components.page.figures import det_curves

    rates = [point for _, curve in curves for point in curve or ()]
    fpir, fnir = (min((rate for rate in each if rate > 0), default=0.1) for each in zip(*rates, strict=True))
    return det_curves("DET curves", _styled(curves), (fpir, fnir / 2), legend=False)


def scores_plot(label: str, runs: Sequence[tuple[str, Score | None]]) -> str:
    """A number of some runs with its 95 % intervals; see `roc_plot`."""
    from components.page.figures import intervals

    return intervals(label, _styled(runs))


def _styled(curves: Sequence[tuple[str, _Drawn | None]]) -> list[tuple[str, _Drawn, str, str]]:
    from components.page.figures import DIFFERENT, INK, SAME

    return [
        (name.replace("$", r"\$"), curve, (SAME, DIFFERENT, INK)[colour], ("-", "--", "-.")[line])  # no formula
        for (name, curve), (colour, line) in zip(curves, STYLES, strict=False)
        if curve
    ]


def _parameters(tasks: Sequence[TaskRecord]) -> dict[tuple[str, str], Any]:
    return {(task.task, name): value for task in tasks for name, value in task.parameters.items()}


def _metrics(tasks: Sequence[TaskRecord]) -> dict[tuple[str, str], Any]:
    return {(task.task, name): value for task in tasks for name, value in task.metrics.items()}


def _side_by_side(each: Sequence[Mapping[Any, Any]]) -> dict[Any, list[Any]]:
    names = dict.fromkeys(name for one in each for name in one)
    return {name: [one.get(name) for one in each] for name in names}


def _dataset_hash(tasks: Sequence[TaskRecord]) -> str:
    """The content of the dataset that a run's network was trained and measured on; "" when there was none."""
    return "".join(sorted({one["sha256"] for task in tasks for one in task.inputs.get("dataset", ())}))


def _curve(tasks: Sequence[TaskRecord]) -> Curve | None:
    for task in tasks:
        for output in task.outputs.values():
            if output["kind"] == _CURVE and "confidenceMetrics" in output["metadata"]:
                points = output["metadata"]["confidenceMetrics"]
                return [(point["falsePositiveRate"], point["recall"]) for point in points]
    return None


def _report(folder: Path, tasks: Sequence[TaskRecord]) -> Mapping[str, Any]:
    """The numbers of a run's report, as its file holds them; nothing where there is none, or it cannot be read."""
    for task in tasks:
        for output in task.outputs.values():
            file = inside(folder, folder / output["path"] / METRICS)
            if file is not None and file.is_file():
                try:
                    return read_metrics(file.read_bytes())
                except (OSError, *MALFORMED):
                    return {}
    return {}


def _scores(report: Mapping[str, Any]) -> Mapping[str, Score]:
    try:
        return scores(report)
    except MALFORMED:  # none, or not as declared
        return {}


def _dets(report: Mapping[str, Any]) -> dict[int, Curve]:
    """The DET curve of a run for each size of a gallery, a face of each person enrolled; none of reports without."""
    try:
        return {
            whole(row["people"]): [(number(fpir), number(fnir)) for fpir, fnir, _ in row["det"]]
            for row in report["identification"]["galleries"]
            if row["enrolled_faces"] == 1
        }
    except MALFORMED:  # an old report, or none
        return {}

"""Two runs side by side: the settings that differ, their numbers, and their ROC curves on one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.local.record import TaskRecord
from pipelines.look.history import Run, tasks

# Kubeflow's type of a curve: its metadata is what `components.evaluate.kubeflow` writes.
_CURVE = "system.ClassificationMetrics"
# FAR and VAL, ascending.
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Args:
        settings: the parameters of the pipeline and, of tasks that both runs have begun, of tasks that differ, with the
            values of both; None where a run has no such parameter.
        metrics: the numbers by task and name, likewise, equal ones among them.
        curves: the ROC curve of each run; None of one that has no such curve.
    """

    settings: Mapping[str, tuple[Any, Any]]
    metrics: Mapping[tuple[str, str], tuple[Any, Any]]
    curves: tuple[Curve | None, Curve | None]


def compare(folder: Path, first: Run, second: Run) -> Comparison:
    """Compares two runs of a runs folder."""
    one, other = tasks(folder, first), tasks(folder, second)
    of_pipeline = _pairs(first.record.parameters, second.record.parameters)
    differing = {name: pair for name, pair in of_pipeline.items() if pair[0] != pair[1]}
    begun = {task.task for task in one if task.parameters} & {task.task for task in other if task.parameters}
    for (task, name), pair in _pairs(_parameters(one), _parameters(other)).items():
        # What a task has from the pipeline is not said twice.
        if task in begun and pair[0] != pair[1] and differing.get(name) != pair:
            differing[f"{task}.{name}"] = pair
    return Comparison(differing, _pairs(_metrics(one), _metrics(other)), (_curve(one), _curve(other)))


def roc_plot(curves: Mapping[str, Curve]) -> str:
    """VAL over FAR of some runs, by name, FAR logarithmic.

    Returns:
        An `<svg>` element in the page's colours: see `components.page.figures`.
    """
    from components.page.figures import DIFFERENT, SAME, roc_curves

    lowest = min((far for curve in curves.values() for far, _ in curve if far > 0), default=0.1)
    shown = [
        (name.replace("$", r"\$"), curve, colour, line)  # no formula
        for (name, curve), colour, line in zip(curves.items(), (SAME, DIFFERENT), ("-", "--"), strict=False)
    ]
    return roc_curves("ROC curves", shown, lowest)


def _parameters(found: Sequence[TaskRecord]) -> dict[tuple[str, str], Any]:
    return {(task.task, name): value for task in found for name, value in task.parameters.items()}


def _metrics(found: Sequence[TaskRecord]) -> dict[tuple[str, str], Any]:
    return {(task.task, name): value for task in found for name, value in task.metrics.items()}


def _pairs(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    return {name: (first.get(name), second.get(name)) for name in {**first, **second}}


def _curve(found: Sequence[TaskRecord]) -> Curve | None:
    for task in found:
        for output in task.outputs.values():
            if output["kind"] == _CURVE and "confidenceMetrics" in output["metadata"]:
                points = output["metadata"]["confidenceMetrics"]
                return [(point["falsePositiveRate"], point["recall"]) for point in points]
    return None

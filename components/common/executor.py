"""Tells the pipeline what a task measured, the way Kubeflow's launcher reads it.

A container gets Kubeflow's description of its task as the argument `{{$}}` and may answer with an ExecutorOutput
file; the UI shows the metadata of a `Metrics` artifact as a table of numbers, that of `ClassificationMetrics` as a
curve and a confusion matrix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.common.atomic import write_file
from components.common.errors import UsageError


def write_metrics(executor_input: str, metrics: Mapping[str, float | int], **others: Mapping[str, Any]) -> None:
    """Writes the numbers of a task as the metadata of its output artifact `metrics`.

    Does nothing when `executor_input` is empty: the stage runs by hand then.

    Args:
        executor_input: Kubeflow's ExecutorInput message as JSON.
        metrics: finite numbers by name.
        **others: likewise the metadata of other output artifacts, by their names.
    """
    if not executor_input:
        return
    answers = {}
    try:
        outputs = json.loads(executor_input)["outputs"]
        for name, metadata in {"metrics": metrics, **others}.items():
            artifact = outputs["artifacts"][name]["artifacts"][0]
            answer = {"name": artifact["name"], "uri": artifact["uri"], "metadata": dict(metadata)}
            answers[name] = {"artifacts": [answer]}
        output_file = Path(outputs["outputFile"])
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(
            "--executor_input is not Kubeflow's description of a task.",
            received=executor_input[:200],
            advice="Leave it out when running a stage by hand; in a pipeline it is the placeholder {{$}}.",
        ) from error
    write_file(output_file, json.dumps({"artifacts": answers}, allow_nan=False))

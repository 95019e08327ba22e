"""Renders a task's command exactly as Kubeflow's launcher would.

Source: kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, getPlaceholders and compileCmdAndArgs. Two
differences: a local artifact's URI is its path, and text that came out of a placeholder is not searched again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from pipelines.plan.tasks import WORKSPACE, Task
from pipelines.plan.values import Value, as_text

# In the folder of a task: what it says of its results, and the values of its output parameters.
EXECUTOR_OUTPUT, PARAMETERS = "executor_output.json", "parameters"
_PLACEHOLDER = re.compile(r"\{\{\$.*?\}\}")


# The types of artifact without a file: what they say is their metadata. That of the first is plain numbers.
METRICS = "system.Metrics"
WITHOUT_FILE = (METRICS, "system.ClassificationMetrics")


@dataclass(frozen=True)
class Artifact:
    """What a task hands on.

    Args:
        path: the file or folder; for numbers that live in the metadata only, the place where a file could be.
        kind: its type, as `system.Model`.
        sha256: of its content, or of the metadata when there is no file.
        metadata: what the task said of it.
    """

    path: Path
    kind: str
    sha256: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def _runtime_artifact(name: str, path: Path, kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"schemaTitle": kind, "schemaVersion": "0.0.1"}
    return {"name": name, "type": schema, "uri": str(path), "metadata": dict(metadata)}


def executor_input(
    task: Task, parameters: Mapping[str, Value], inputs: Mapping[str, Sequence[Artifact]], folder: Path
) -> dict[str, Any]:
    """Kubeflow's description of a task for its container, the ExecutorInput message.

    Args:
        task: the task.
        parameters: the values of its parameters.
        inputs: its input artifacts, each a list, of one where the input is no list.
        folder: where its outputs go.
    """
    return {
        "inputs": {
            "parameterValues": {
                name: value.replace(WORKSPACE, str(folder)) if isinstance(value, str) else value
                for name, value in parameters.items()
            },
            "artifacts": {
                name: {"artifacts": [_runtime_artifact(name, one.path, one.kind, one.metadata) for one in artifacts]}
                for name, artifacts in inputs.items()
            },
        },
        "outputs": {
            "artifacts": {
                name: {"artifacts": [_runtime_artifact(name, folder / name, kind, {})]}
                for name, kind in task.outputs.items()
            },
            "parameters": {name: {"outputFile": str(folder / PARAMETERS / name)} for name in task.output_parameters},
            "outputFile": str(folder / EXECUTOR_OUTPUT),
        },
    }


def _replacements(executor_input: Mapping[str, Any]) -> dict[str, str]:
    table = {"{{$}}": json.dumps(executor_input, ensure_ascii=False, allow_nan=False)}
    for side in ("inputs", "outputs"):
        for name, listed in executor_input[side]["artifacts"].items():
            uri = listed["artifacts"][0]["uri"]
            table[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = uri
            table[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = uri
    for name, value in executor_input["inputs"]["parameterValues"].items():
        table[f"{{{{$.inputs.parameters['{name}']}}}}"] = as_text(value)
    for name, output in executor_input["outputs"]["parameters"].items():
        table[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = output["outputFile"]
    return table


def render(template: Sequence[str], executor_input: Mapping[str, Any]) -> list[str]:
    """Replaces the placeholders in the words of a command, embedded ones too.

    Raises:
        UsageError: a placeholder that is unknown, or whose input has no value.
    """
    table = _replacements(executor_input)

    def replacement(match: re.Match[str]) -> str:
        if match[0] not in table:
            raise UsageError(
                "A command of the pipeline has a placeholder without a value.",
                received=match[0],
                advice="Known are the task's own inputs and outputs, and {{$}}.",
            )
        return table[match[0]]

    return [_PLACEHOLDER.sub(replacement, word) for word in template]

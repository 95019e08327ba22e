"""What a finished task left behind: its artifacts, the values it hands on, and the numbers it reports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.errors import MALFORMED, FacenetError
from components.common.records import read_json
from pipelines.cache.content import Contents
from pipelines.local.processes import Ended
from pipelines.plan.render import EXECUTOR_OUTPUT, METRICS, PARAMETERS, WITHOUT_FILE, Artifact
from pipelines.plan.tasks import Parameter
from pipelines.plan.values import Value, from_text
from pipelines.records.record import FAILED, SUCCEEDED, Output, TaskRecord


@dataclass(frozen=True)
class Results:
    """What a task left behind.

    Args:
        artifacts: its output artifacts.
        parameters: the values of its output parameters.
        metrics: the metadata of its metrics.
    """

    artifacts: dict[str, Artifact]
    parameters: dict[str, Value]
    metrics: dict[str, Any]


def record_end(record: TaskRecord, run: str, ended: Ended, results: Callable[[], Results]) -> None:
    """Puts into the record of a task how it ended, and what it left.

    Args:
        record: of the task.
        run: the run's id.
        ended: how its command ended.
        results: collects what it left, when it ended well; may raise FacenetError, which is a failure of the task.
    """
    record.exit_code, record.cpu_seconds, record.peak_bytes = ended.exit_code, ended.cpu_seconds, ended.peak_bytes
    try:
        if ended.problem:
            raise FacenetError(ended.problem)
        left = results()
    except FacenetError as error:
        record.state, record.message = FAILED, str(error)
        return
    record.outputs = {name: output_of(one, f"{run}/{record.task}/{name}") for name, one in left.artifacts.items()}
    record.output_parameters, record.metrics = left.parameters, left.metrics
    record.state = SUCCEEDED


def output_of(artifact: Artifact, path: str) -> Output:
    """An artifact as a record states it, under the path that it has there."""
    return {
        "path": path,
        "kind": artifact.kind,
        "sha256": artifact.sha256,
        "metadata": dict(artifact.metadata),
        "on_disk": artifact.path.exists(),
    }


def collect(
    outputs: Mapping[str, str], output_parameters: Mapping[str, Parameter], folder: Path, contents: Contents
) -> Results:
    """Reads what a task that ended without an error left in its folder, which has its name.

    Args:
        outputs: the types of its output artifacts.
        output_parameters: its output parameters.
        folder: the folder.
        contents: what hashes it.

    Raises:
        FacenetError: something is missing, or what the task said of its results cannot be read.
    """
    said = _executor_output(folder / EXECUTOR_OUTPUT)
    artifacts, metrics = {}, {}
    for name, kind in outputs.items():
        path = folder / name
        metadata = _metadata(said, name, path)
        if path.exists():
            sha256 = contents.sha256(path)
        elif kind in WITHOUT_FILE:
            sha256 = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()
        else:
            raise FacenetError(f"it ended without an error, but left no {name} at {path}")
        artifacts[name] = Artifact(path, kind, sha256, metadata)
        if kind == METRICS:
            metrics.update(metadata)
    return Results(artifacts, _parameters(output_parameters, folder), metrics)


def _parameters(output_parameters: Mapping[str, Parameter], folder: Path) -> dict[str, Value]:
    values = {}
    for name, parameter in output_parameters.items():
        file = folder / PARAMETERS / name
        if not file.exists():
            raise FacenetError(f"it ended without an error, but wrote no value of {name} to {file}")
        values[name] = from_text(file.read_text(encoding="utf-8"), parameter.kind, f"{folder.name}.{name}")
    return values


def _executor_output(file: Path) -> dict[str, Any]:
    """What a task said of its results: Kubeflow's ExecutorOutput message, as strict as its launcher reads it."""
    if not file.exists():
        return {}
    try:
        said = read_json(file.read_bytes())
    except MALFORMED as error:
        raise FacenetError(f"what it said of its results is not JSON: {error} ({file})") from error
    if not isinstance(said, dict) or said.keys() - {"artifacts"}:
        raise FacenetError(f"what it said of its results has more than artifacts in it ({file})")
    return said


def _metadata(said: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    try:
        listed = said.get("artifacts", {}).get(name, {}).get("artifacts", [])
        artifact = listed[0] if listed else {}
        metadata, uri = dict(artifact.get("metadata") or {}), artifact.get("uri", str(path))
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise FacenetError(f"what it said of {name} is not an artifact of Kubeflow's ({error})") from error
    if uri != str(path):
        raise FacenetError(f"it put {name} elsewhere than asked: {uri}")
    return metadata

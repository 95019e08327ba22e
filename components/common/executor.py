"""The messages between a task and Kubeflow's launcher: where inputs lie, and what was measured.

A container gets Kubeflow's description of its task as the argument `{{$}}` and may answer with an ExecutorOutput
file; the UI shows the metadata of a `Metrics` artifact as a table of numbers, that of `ClassificationMetrics` as a
curve and a confusion matrix. The answer names every output artifact: to kfp's own local runners, unlike to a cluster,
one that it does not name does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.common.atomic import write_file
from components.common.errors import MALFORMED, UsageError

# The UI shows every digit that it gets. Six tell any two results apart; the stages' own results keep all digits.
_DIGITS = 6
# Where the launcher puts what it downloads: LocalPathForURI in kubeflow/pipelines, backend/src/v2/component.
_MOUNTS = {"gs": "/gcs", "s3": "/s3", "minio": "/minio"}


def inputs(executor_input: str, name: str, by_hand: Sequence[Path], flag: str) -> tuple[Path, ...]:
    """Where an input lies that may be a list of artifacts; the launcher fills in no paths for a list.

    Args:
        executor_input: Kubeflow's ExecutorInput message as JSON; empty when the stage runs by hand.
        name: the input's name.
        by_hand: the folders that a person gave; they take precedence.
        flag: the flag by which a person gives them, such as "-i FACES".

    Raises:
        UsageError: neither says where the input lies.
    """
    if by_hand:
        return tuple(by_hand)
    if not executor_input:
        raise UsageError(
            "There is nothing to read.", advice=f"Say where it lies with {flag}; several folders are shards of it."
        )
    try:
        artifacts = json.loads(executor_input)["inputs"]["artifacts"][name]["artifacts"]
        return tuple(_local_path(artifact["uri"]) for artifact in artifacts)
    except MALFORMED as error:
        raise _not_an_executor_input(executor_input) from error


def _local_path(uri: str) -> Path:
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri)  # a run on this machine
    if scheme == "oci":
        return Path("/oci", rest.replace("/", "_"), "models")
    if scheme not in _MOUNTS:
        raise UsageError(
            "Kubeflow stores this input in a way that is not known here.",
            received=uri,
            advice="Give the cluster a store with gs://, s3://, minio:// or oci://.",
        )
    return Path(_MOUNTS[scheme], rest)


def _not_an_executor_input(text: Any) -> UsageError:
    return UsageError(
        "--executor_input is not Kubeflow's description of a task.",
        received=str(text)[:200],
        advice="Leave it out when running a stage by hand; in a pipeline it is the placeholder {{$}}.",
    )


def write_metrics(executor_input: str, metrics: Mapping[str, float | int], **others: Mapping[str, Any]) -> None:
    """Writes the numbers of a task as the metadata of its output artifact `metrics`.

    Does nothing when `executor_input` is empty: the stage runs by hand then.

    Args:
        executor_input: Kubeflow's ExecutorInput message as JSON.
        metrics: finite numbers by name; fractions are rounded to six significant digits. The UI sorts them by name and
            shows ten on a page.
        **others: the metadata of further output artifacts, by the artifact's name.
    """
    if not executor_input:
        return
    answers = {}
    rounded = {name: _round(number) for name, number in metrics.items()}
    try:
        outputs = json.loads(executor_input)["outputs"]
        contents: dict[str, Mapping[str, Any]] = {name: {} for name in outputs["artifacts"]}
        for name, metadata in (contents | {"metrics": rounded} | others).items():
            artifact = outputs["artifacts"][name]["artifacts"][0]
            answer = {"name": artifact["name"], "uri": artifact["uri"], "metadata": dict(metadata)}
            answers[name] = {"artifacts": [answer]}
        text = json.dumps({"artifacts": answers}, allow_nan=False)
        write_file(Path(outputs["outputFile"]), text)
    except MALFORMED as error:
        raise _not_an_executor_input(executor_input) from error


def _round(number: float | int) -> float | int:
    return float(f"{number:.{_DIGITS}g}") if isinstance(number, float) else number

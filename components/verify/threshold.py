"""The distance below which two faces are called the same person: as an evaluation of this very network chose it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import UsageError

METRICS = "metrics.json"


@dataclass(frozen=True)
class Threshold:
    """A threshold and where it comes from.

    Args:
        distance: Euclidean, 0 to 2; two faces at this distance or nearer are the same person.
        source: for people: the file, and how often the threshold was right there.
    """

    distance: float
    source: str


def read(report: Path, checkpoint_sha256: str) -> Threshold:
    """The threshold that `facenet evaluate` stored in its report.

    Args:
        report: the report's folder.
        checkpoint_sha256: the network that compares; an evaluation of another one says nothing about it.

    Raises:
        UsageError: no report, or one of another network.
    """
    file = report / METRICS
    try:
        metrics = json.loads(file.read_text())
        distance, accuracy = float(metrics["threshold"]), float(metrics["accuracy"]["mean"])
        evaluated = metrics["checkpoint_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "There is no evaluation report here.",
            received=f"{report} ({error})",
            advice="Give the folder that `facenet evaluate` wrote.",
        ) from error
    if evaluated != checkpoint_sha256:
        raise UsageError(
            "This report is about another network.",
            received=f"{report}, about checkpoint {str(evaluated)[:12]}; compared with {checkpoint_sha256[:12]}",
            advice="Embed and evaluate with this checkpoint, and give that report.",
        )
    return Threshold(distance, f"{file}, where it was right for {accuracy:.1%} of pairs")


def beside(checkpoint: Path, checkpoint_sha256: str) -> Threshold:
    """The threshold of a report that lies beside the checkpoint, or beside its task in the folder of a run.

    Raises:
        UsageError: there is none about this checkpoint.
    """
    for place in (checkpoint.absolute(), checkpoint.resolve()):
        reports = [*place.parent.glob(f"*/{METRICS}"), *place.parent.parent.glob(f"*/*/{METRICS}")]
        for file in sorted(reports):
            try:
                return read(file.parent, checkpoint_sha256)
            except UsageError:
                continue  # of another network: it is no answer, and not asked for by name
    raise UsageError(
        "No evaluation of this checkpoint was found, so there is no threshold for same or different.",
        received=checkpoint,
        advice="Give the evaluation's folder with --report, or a distance with --threshold.",
    )

"""What an evaluation says of a checkpoint: its scores, and a threshold for each false-accept rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.common.errors import MALFORMED, UsageError
from components.common.records import read_metrics
from components.litert.specification import Threshold

METRICS = "metrics.json"


def read(report: Path, checkpoint_sha256: str) -> dict[str, Any]:
    """The numbers of a report, as `components/evaluate/README.md` describes them.

    Args:
        report: the folder that `facenet evaluate` wrote.
        checkpoint_sha256: whose report it must be: another network's distances mean something else.

    Raises:
        UsageError: no report, or one of another network.
    """
    file = report / METRICS
    try:
        metrics = read_metrics(file.read_bytes())
        evaluated = metrics["checkpoint_sha256"]
        thresholds(metrics)
    except (OSError, *MALFORMED) as error:
        raise UsageError(
            "There is no evaluation report here.",
            received=f"{report} ({error})",
            advice="Give the folder that `facenet evaluate` wrote.",
        ) from error
    if evaluated != checkpoint_sha256:
        raise UsageError(
            "This report is about another network.",
            received=f"{report}, about checkpoint {str(evaluated)[:12]}; exported is {checkpoint_sha256[:12]}",
            advice="Embed and evaluate with this checkpoint, and give that report.",
        )
    return metrics


def thresholds(metrics: dict[str, Any]) -> tuple[Threshold, ...]:
    """The thresholds of a report; a false-accept rate that could not be measured has none."""
    found = []
    for row in metrics["val_at_far"]:
        if row["threshold"] is not None:
            low, high = row["threshold_interval"] or (None, None)
            found.append(Threshold(row["far"], row["threshold"], low, high, row["val"]))
    return tuple(found)

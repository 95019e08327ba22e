"""What an evaluation says of a network: its scores, and a threshold for each false-accept rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.common import published
from components.common.errors import MALFORMED, UsageError
from components.common.records import METRICS, read_metrics
from components.litert.identification import GalleryThreshold
from components.litert.specification import Threshold


def read_report(report: Path, model_sha256: str) -> dict[str, Any]:
    """The numbers of a report, as `components/evaluate/README.md` describes them.

    Args:
        report: the folder that `facenet evaluate` wrote.
        model_sha256: whose report it must be: another network's distances mean something else.

    Raises:
        UsageError: no report, or one of another network.
    """
    try:
        metrics = read_metrics((report / METRICS).read_bytes())
        evaluated = metrics["checkpoint_sha256"]
        thresholds_of(metrics)
        identification_of(metrics)
    except (OSError, *MALFORMED) as error:
        raise UsageError(
            "There is no evaluation report here.",
            received=f"{report} ({error})",
            advice="Give the folder that `facenet evaluate` wrote.",
        ) from error
    if evaluated != model_sha256:
        raise UsageError(
            "This report is about another network.",
            received=f"{report}, about {str(evaluated)[:12]}; this network is {model_sha256[:12]}",
            advice="Embed and evaluate with this network, and give that report.",
        )
    return metrics


def thresholds_of(metrics: dict[str, Any]) -> tuple[Threshold, ...]:
    """The thresholds of a report; a false-accept rate that could not be measured has none."""
    measured = [row for row in metrics["val_at_far"] if row["threshold"] is not None]
    ends = [row.get("threshold_interval") or (None, None) for row in measured]
    return tuple(
        Threshold(row["far"], row["threshold"], low, high, row["val"])
        for row, (low, high) in zip(measured, ends, strict=True)
    )


def identification_of(metrics: dict[str, Any]) -> tuple[GalleryThreshold, ...]:
    """The thresholds of a report for galleries, those that could be measured; a report before version 4 has none."""
    return tuple(
        GalleryThreshold(row["people"], row["enrolled_faces"], row["fpir"], row["threshold"], *row["fpir_interval"])
        for row in metrics.get("identification", {}).get("thresholds", [])
        if row["threshold"] is not None
    )


def published_thresholds() -> tuple[Threshold, ...]:
    """The thresholds of the published evaluation of dlib's network; see `components.common.published`."""
    return tuple(Threshold(**each) for each in published.THRESHOLDS)


def published_identification() -> tuple[GalleryThreshold, ...]:
    """The same for galleries."""
    return tuple(GalleryThreshold(*row) for row in published.IDENTIFICATION)

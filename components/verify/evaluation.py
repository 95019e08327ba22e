"""What an evaluation of a network chose: thresholds for pairs, and for galleries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common import published
from components.common.errors import UsageError
from components.common.records import METRICS
from components.litert.identification import GalleryThreshold
from components.litert.report import (
    identification_of,
    published_identification,
    published_thresholds,
    read_report,
    thresholds_of,
)
from components.litert.specification import Threshold
from components.verify.model import Model
from components.verify.settings import EvaluationSettings


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation of a network chose.

    Args:
        thresholds: for pairs, each with its false-accept rate.
        identification: for galleries, each with its rate of named strangers.
        source: for people: where they come from.
    """

    thresholds: Sequence[Threshold]
    identification: Sequence[GalleryThreshold]
    source: str


def evaluation_of(settings: EvaluationSettings, model: Model) -> Evaluation:
    """What is known of a network: by --report, by its own file, or by a report beside it.

    Raises:
        UsageError: nothing is.
    """
    network = model.network
    if settings.report is not None:
        return _by_report(read_report(settings.report, network.sha256), settings.report)
    if network.thresholds or network.identification:
        return Evaluation(network.thresholds, network.identification, model.evaluated_by)
    return evaluation_beside(model.path, network.sha256, as_published=network.as_published)


def _by_report(metrics: dict[str, Any], folder: Path) -> Evaluation:
    return Evaluation(thresholds_of(metrics), identification_of(metrics), str(folder))


def evaluation_beside(model: Path, model_sha256: str, *, as_published: bool = False) -> Evaluation:
    """That of a report that lies beside the network, or beside its task in the folder of a run.

    Args:
        model: where the network lies.
        model_sha256: its name in reports.
        as_published: whether it is dlib's as it is. Then the thresholds of its published evaluation are better than
            those of a report that cannot be told from guessing.

    Raises:
        UsageError: there is none about this network.
    """
    for place in (model.absolute(), model.resolve()):
        reports = [*place.parent.glob(f"*/{METRICS}"), *place.parent.parent.glob(f"*/*/{METRICS}")]
        for file in sorted(reports):
            try:
                metrics = read_report(file.parent, model_sha256)
            except UsageError:
                continue  # of another network: it is no answer, and not asked for by name
            if as_published and metrics.get("doubt"):
                return Evaluation(published_thresholds(), published_identification(), published.EVALUATED_ON)
            return _by_report(metrics, file.parent)
    raise UsageError(
        "No evaluation of this network was found, so there is no threshold for same or different.",
        received=model,
        advice="Give the evaluation's folder with --report, or a distance with --threshold.",
    )

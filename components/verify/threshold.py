"""The distance up to which two faces are called the same person: chosen for a false-accept rate by an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common import published
from components.common.errors import UsageError
from components.common.names import plain
from components.common.records import METRICS
from components.litert.report import published_thresholds, read_report, thresholds_of
from components.litert.specification import Threshold
from components.verify.model import Model
from components.verify.settings import FAR, ThresholdSettings

# The share of strangers that may be called by a name, where a gallery chooses the rate; README.md has what that costs.
MAX_FPIR = 0.1


@dataclass(frozen=True)
class ChosenThreshold:
    """The threshold in use.

    Args:
        distance: Euclidean, 0 to 2; two faces at this distance or nearer are called the same person.
        source: for people: where it comes from.
        evaluated: what the evaluation says of it; None for a distance that was given by hand.
        for_gallery: whether the size of a gallery chose it.
    """

    distance: float
    source: str
    evaluated: Threshold | None = None
    for_gallery: bool = False

    def accepts(self, distance: float) -> bool:
        """Whether faces at this distance are called the same person."""
        return distance <= self.distance

    def to_json(self) -> dict[str, Any]:
        """The threshold as plain values."""
        evaluated = self.evaluated
        return {
            "distance": self.distance,
            "source": self.source,
            "far": evaluated and evaluated.far,
            "interval": [evaluated.low, evaluated.high] if evaluated and evaluated.low is not None else None,
            "val": evaluated and evaluated.val,
        }

    def __str__(self) -> str:
        text = f"Same person: distance {self.distance:.3f} or less (from {plain(self.source)})."
        if (rate := self.evaluated) is None:
            return text
        accepted = "" if rate.val is None else f", and {100 * rate.val:.3g} % of the pairs of one person"
        interval = "" if rate.low is None else f" (95 % interval of this distance: {rate.low:.3f} to {rate.high:.3f})"
        return (
            f"{text}\nIn its evaluation at most {100 * rate.far:g} % of the pairs of different people were as near"
            f"{accepted}{interval}.\nThat is no promise for other people, cameras or ages, and no proof of identity."
        )


def fpir(far: float, faces: int) -> float:
    """The share of strangers that a gallery gives a name to: the false-positive identification rate (ISO/IEC 19795-1).

    As if every comparison with another face were another chance. Those with faces of one person are not, so it is a
    little less in fact.

    Args:
        far: the false-accept rate of a pair, 0 to 1.
        faces: how many a stranger is compared with.
    """
    return float(1 - (1 - far) ** faces)


def choose_threshold(settings: ThresholdSettings, model: Model, faces: int = 1) -> ChosenThreshold:
    """The threshold that the flags choose; without a rate, the number of enrolled faces.

    Args:
        settings: the flags.
        model: the network.
        faces: how many a face is compared with.

    Raises:
        UsageError: there is none for this network or this false-accept rate.
    """
    if settings.threshold is not None:
        if not 0 <= settings.threshold <= 2:
            raise UsageError("--threshold is a distance from 0 to 2.", received=settings.threshold)
        return ChosenThreshold(settings.threshold, "--threshold")
    sha256 = model.network.sha256
    thresholds: tuple[Threshold, ...]
    source: str | Path
    if settings.report is not None:
        thresholds, source = thresholds_of(read_report(settings.report, sha256)), settings.report
    elif model.network.thresholds:
        thresholds, source = model.network.thresholds, model.evaluated_by
    else:
        thresholds, source = thresholds_beside(model.path, sha256, as_published=model.network.as_published)
    if settings.far is None:
        taken = _for_gallery(faces, thresholds)
    else:
        taken = next((each for each in thresholds if abs(each.far - settings.far) <= 1e-9), None)
    if taken is not None:
        return ChosenThreshold(taken.distance, str(source), taken, for_gallery=settings.far is None)
    known = ", ".join(f"{threshold.far:g}" for threshold in thresholds)
    asked = "" if settings.far is None else f"--far {settings.far:g}; "
    raise UsageError(
        "The evaluation has no threshold for this false-accept rate.",
        received=f"{asked}{source} has {known or 'none'}",
        advice="Give one of those with --far, or a distance with --threshold."
        if known
        else "Evaluate on more people: a rate needs at least 1 / rate pairs of different people. Or give --threshold.",
    )


def _for_gallery(faces: int, thresholds: Sequence[Threshold]) -> Threshold | None:
    """The largest rate up to `FAR` at which few enough strangers get a name, else the smallest; None without any."""
    fitting = [each for each in thresholds if each.far <= FAR and fpir(each.far, faces) <= MAX_FPIR]
    if fitting:
        return max(fitting, key=lambda each: each.far)
    return min(thresholds, key=lambda each: each.far, default=None)


def thresholds_beside(
    model: Path, model_sha256: str, *, as_published: bool = False
) -> tuple[tuple[Threshold, ...], Path | str]:
    """The thresholds of a report that lies beside the network, or beside its task in the folder of a run.

    Args:
        model: where the network lies.
        model_sha256: its name in reports.
        as_published: whether it is dlib's as it is. Then the thresholds of its published evaluation are better than
            those of a report that cannot be told from guessing.

    Returns:
        The thresholds, and the report's folder or what else they are by.

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
                return published_thresholds(), published.EVALUATED_ON
            return thresholds_of(metrics), file.parent
    raise UsageError(
        "No evaluation of this network was found, so there is no threshold for same or different.",
        received=model,
        advice="Give the evaluation's folder with --report, or a distance with --threshold.",
    )

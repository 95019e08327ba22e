"""The distance up to which two faces are called the same person: chosen for a rate by an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.common.errors import UsageError
from components.common.names import plain
from components.common.quantity import quantity
from components.litert.identification import Promise, promise
from components.litert.specification import Threshold
from components.verify.evaluation import Evaluation, evaluation_of
from components.verify.model import Model
from components.verify.search import Enrolled
from components.verify.settings import FAR, NamingSettings, ThresholdSettings

# The shares of strangers that may be called by a name where nothing is asked for: the first that was evaluated.
DEFAULT_FPIRS = (0.01, 0.1)
# The share likewise where only pairs were evaluated; README.md has what it costs.
MAX_FPIR = 0.1


@dataclass(frozen=True)
class ChosenThreshold:
    """The threshold in use.

    Args:
        distance: Euclidean, 0 to 2; two faces at this distance or nearer are called the same person.
        source: for people: where it comes from.
        evaluated: what the evaluation says of pairs at this distance; None where it was not chosen by them.
        for_gallery: whether the size of a gallery chose among the rates of pairs.
        promised: what the evaluation says of strangers to this gallery; None where it was not chosen by them.
    """

    distance: float
    source: str
    evaluated: Threshold | None = None
    for_gallery: bool = False
    promised: Promise | None = None

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
        no_promise = "That is no promise for other people, cameras or ages, and no proof of identity."
        if (rate := self.evaluated) is None:
            return text if self.promised is None else f"{text}\n{no_promise}"
        accepted = "" if rate.val is None else f", and {100 * rate.val:.3g} % of the pairs of one person"
        interval = "" if rate.low is None else f" (95 % interval of this distance: {rate.low:.3f} to {rate.high:.3f})"
        return (
            f"{text}\nIn its evaluation at most {100 * rate.far:g} % of the pairs of different people were as near"
            f"{accepted}{interval}.\n{no_promise}"
        )


def fpir(far: float, faces: int) -> float:
    """The share of strangers that a gallery gives a name to, by the rate of pairs: FPIR (ISO/IEC 19795-1).

    As if every comparison with another face were another chance: about right, as README.md measures.

    Args:
        far: the false-accept rate of a pair, 0 to 1.
        faces: how many are enrolled.
    """
    return float(1 - (1 - far) ** faces)


def choose_threshold(settings: ThresholdSettings, model: Model) -> ChosenThreshold:
    """The threshold for pairs that the flags choose.

    Raises:
        UsageError: there is none for this network or this false-accept rate.
    """
    if settings.threshold is not None:
        return _by_hand(settings.threshold)
    evaluation = evaluation_of(settings, model)
    for taken in evaluation.thresholds:
        if settings.far is not None and abs(taken.far - settings.far) <= 1e-9:
            return ChosenThreshold(taken.distance, evaluation.source, taken)
    raise _no_rate("" if settings.far is None else f"--far {settings.far:g}; ", evaluation)


def choose_for_gallery(settings: NamingSettings, model: Model, people: Enrolled) -> ChosenThreshold:
    """The threshold for a gallery that the flags choose; without any, its people and faces do.

    Raises:
        UsageError: flags that exclude each other, or nothing was evaluated that they ask for.
    """
    rates = {"--fpir": settings.fpir, "--far": settings.far, "--threshold": settings.threshold}
    given = [f"{name} {value:g}" for name, value in rates.items() if value is not None]
    if len(given) > 1:
        raise UsageError(
            "Only one of --fpir, --far and --threshold can choose.",
            received=" ".join(given),
            advice="Leave out the others.",
        )
    if settings.fpir is not None and not 0 < settings.fpir < 1:
        raise UsageError("--fpir is a share of strangers, above 0 and below 1.", received=settings.fpir)
    if settings.threshold is not None or settings.far is not None:
        return choose_threshold(settings, model)
    evaluation = evaluation_of(settings, model)
    if settings.fpir is None:
        return by_default(evaluation, people)
    chosen = keeping(settings.fpir, evaluation, people)
    if chosen is None:
        raise _no_promise(settings.fpir, evaluation, people)
    return chosen


def keeping(rate: float, evaluation: Evaluation, people: Enrolled) -> ChosenThreshold | None:
    """The threshold that keeps a rate of named strangers; None where nothing was evaluated that says so."""
    each = people.total_faces / people.total_people
    promised = promise(evaluation.identification, people.total_people, each, rate)
    return None if promised is None else ChosenThreshold(promised.distance, evaluation.source, promised=promised)


def by_default(evaluation: Evaluation, people: Enrolled) -> ChosenThreshold:
    """The threshold for a gallery where no flag chooses one.

    Raises:
        UsageError: nothing was evaluated that chooses one.
    """
    for rate in DEFAULT_FPIRS:
        if chosen := keeping(rate, evaluation, people):
            return chosen
    taken = _by_pairs(people.total_faces, evaluation.thresholds)
    if taken is None:
        raise _no_rate("", evaluation)
    return ChosenThreshold(taken.distance, evaluation.source, taken, for_gallery=True)


def _by_hand(distance: float) -> ChosenThreshold:
    if not 0 <= distance <= 2:
        raise UsageError("--threshold is a distance from 0 to 2.", received=distance)
    return ChosenThreshold(distance, "--threshold")


def _by_pairs(faces: int, thresholds: Sequence[Threshold]) -> Threshold | None:
    """The largest rate up to `FAR` at which few enough strangers get a name, else the smallest; None without any."""
    fitting = [each for each in thresholds if each.far <= FAR and fpir(each.far, faces) <= MAX_FPIR]
    if fitting:
        return max(fitting, key=lambda each: each.far)
    return min(thresholds, key=lambda each: each.far, default=None)


def _no_rate(asked: str, evaluation: Evaluation) -> UsageError:
    known = ", ".join(f"{threshold.far:g}" for threshold in evaluation.thresholds)
    return UsageError(
        "The evaluation has no threshold for this false-accept rate.",
        received=f"{asked}{evaluation.source} has {known or 'none'}",
        advice="Give one of those with --far, or a distance with --threshold."
        if known
        else "Evaluate on more people: a rate needs at least 1 / rate pairs of different people. Or give --threshold.",
    )


def _no_promise(rate: float, evaluation: Evaluation, people: Enrolled) -> UsageError:
    rows = evaluation.identification
    if not rows:
        return UsageError(
            "The evaluation of this network says nothing of strangers to a gallery.",
            received=f"--fpir {rate:g}; {evaluation.source}",
            advice="It is from before that was measured, or of too few people. Evaluate the network anew with "
            "`facenet evaluate` and give that report with --report; or choose by pairs with --far.",
        )
    faces, names = quantity(people.total_faces, "face"), quantity(people.total_people, "person", "people")
    rates, sizes, each = (
        ", ".join(f"{value:g}" for value in sorted({getattr(row, name) for row in rows}))
        for name in ("fpir", "people", "faces")
    )
    return UsageError(
        "The evaluation says nothing of this rate for a gallery like this one.",
        received=f"--fpir {rate:g}; {faces} of {names}; measured by {evaluation.source}: rates {rates}, galleries of "
        f"{sizes} people with {each} faces each",
        advice="Give a rate between those. A smaller one, or a larger gallery, takes an evaluation on more people: at "
        "least 10 / rate photos of strangers.",
    )

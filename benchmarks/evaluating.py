"""Metrics of pairs, against a weak peer, an honest one and scikit-learn: `python -m benchmarks.evaluating`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from sklearn.metrics import auc, roc_curve

from benchmarks.harness import command_line, compare, memory_of, timed, write
from components.evaluate.metrics import STEP, STEPS, Curve, area_under_curve, count, curve_of_counts, fold_accuracies

Distances = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

_PIECE = 1 << 20


def pairs(number: int, step: float) -> tuple[Distances, Flags]:
    """Distances of pairs, half of them of one person: multiples of a step, as far as `step` goes."""
    rng = np.random.default_rng(0)
    same = np.arange(number) % 2 == 0
    return np.rint(np.clip(rng.normal(np.where(same, 0.9, 1.3), 0.2), 0, 2) / step) * step, same


def ours(distances: Distances, same: Flags, fold: Numbers) -> list[float]:
    """Accuracy of each fold, by the product."""
    return [one.accuracy for one in fold_accuracies(distances, same, fold)]


def threshold_loop(distances: Distances, same: Flags, fold: Numbers) -> list[float]:
    """Accuracy of each fold, as public FaceNet code measures it.

    400 thresholds from 0 to 4 are tried on the other folds for the best accuracy, and on the fold for its ROC curve.
    """
    accuracies = []
    for number in np.unique(fold):
        others, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        rates = [
            [_rates(threshold, distances[part], same[part]) for part in (others, own)]
            for threshold in np.arange(0, 4, 0.01)
        ]
        best = int(np.argmax([outside[2] for outside, _ in rates]))
        accuracies.append(rates[best][1][2])
    return accuracies


def _rates(threshold: float, distances: Distances, same: Flags) -> tuple[float, float, float]:
    """True-accept rate, false-accept rate, accuracy."""
    called = distances < threshold
    true_accepts = np.sum(np.logical_and(called, same))
    false_accepts = np.sum(np.logical_and(called, np.logical_not(same)))
    true_rejects = np.sum(np.logical_and(np.logical_not(called), np.logical_not(same)))
    false_rejects = np.sum(np.logical_and(np.logical_not(called), same))
    return (
        float(true_accepts / (true_accepts + false_rejects)),
        float(false_accepts / (false_accepts + true_rejects)),
        float((true_accepts + true_rejects) / len(same)),
    )


def sort_per_fold(distances: Distances, same: Flags, fold: Numbers) -> list[float]:
    """The same, as one writes it in NumPy who knows that: the other folds sorted once, and calls counted along them."""
    accuracies = []
    for number in np.unique(fold):
        own = fold == number
        order = np.argsort(distances[~own])
        ascending = distances[~own][order]
        gained = np.cumsum(np.where(same[~own][order], 1, -1))  # calls that are right by accepting all up to here
        last = np.flatnonzero(np.diff(ascending, append=np.inf))  # of equal distances
        best = last[gained[last].argmax()]
        threshold = ascending[best : best + 2].mean()  # half-way to the next one, as in the product
        accuracies.append(float(np.mean((distances[own] <= threshold) == same[own])))
    return accuracies


def same_accuracies(mine: list[float], theirs: list[float]) -> str:
    """All the same: the distances lie between the thresholds that the loop tries."""
    np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    return f"the accuracies of all {len(mine)} folds"


def same_curve(mine: Curve, theirs: tuple[Distances, Distances, Distances]) -> str:
    """Every point of the curve."""
    far, val, thresholds = theirs
    np.testing.assert_array_equal(mine.far, far)
    np.testing.assert_array_equal(mine.val, val)
    np.testing.assert_array_equal(mine.thresholds[1:], -thresholds[1:])
    assert np.isclose(area_under_curve(mine), auc(far, val), rtol=1e-12)
    return f"all {len(far):,} points, and the area"


def counted(kinds: Sequence[Distances]) -> Curve:
    """The curve as the stage makes it: of the pairs of one kind, then of the other, a million after another."""
    counts = np.zeros((2, STEPS), np.int64)
    for of_kind, distances in zip(counts, kinds, strict=True):
        for start in range(0, len(distances), _PIECE):
            count(of_kind, distances[start : start + _PIECE])
    return curve_of_counts(*counts)


def _kinds(number: int) -> list[Distances]:
    distances, same = pairs(number, STEP)
    return [distances[same], distances[~same]]


def _scored(number: int) -> tuple[Flags, Distances]:
    distances, same = pairs(number, STEP)
    return same, -distances


def _counted(number: int) -> None:
    counted(_kinds(number))


def _roc_curve(number: int) -> None:
    roc_curve(*_scored(number), drop_intermediate=False)


def main() -> None:
    """Folds, then the curve."""
    command_line(__doc__).parse_args()
    distances, same = pairs(6000, 0.01)
    distances = np.rint((distances + 0.005) / STEP) * STEP  # as the product makes them
    given = distances, same, np.arange(6000) // 600
    for peer_name, peer, asked in (
        ("loop over 400 thresholds", threshold_loop, 500),
        ("a sort per fold", sort_per_fold, None),
    ):
        for way, fresh in (("", False), (", first call of a process", True)):
            compare(
                f"accuracy in 10 folds, 6,000 pairs{way}",
                peer_name,
                partial(ours, *given),
                partial(peer, *given),
                same_accuracies,
                at_least=None if fresh else asked,
                fresh=fresh,
            )
    # Each gets what it takes, made beforehand: the stage draws the pairs of each kind apart.
    kinds, scored = _kinds(10_000_000), _scored(10_000_000)
    compare(
        "ROC curve, 10 million pairs",
        "scikit-learn roc_curve",
        lambda: counted(kinds),
        lambda: roc_curve(*scored, drop_intermediate=False),
        same_curve,
        at_least=20,
        memory=(
            memory_of(_counted, 10_000_000) - memory_of(_kinds, 10_000_000),
            memory_of(_roc_curve, 10_000_000) - memory_of(_scored, 10_000_000),
        ),
    )
    kinds = [np.tile(distances, 10) for distances in kinds]
    _, taken = timed(lambda: counted(kinds))
    write({"what": "ROC curve, 100 million pairs", "ours_s": taken.clock, "ours_processor_s": taken.processor})


if __name__ == "__main__":
    main()

"""Verification metrics: functions of distances and of whether both faces of a pair are the same person.

Everywhere, `distances` is float64 [pairs] and `same` is bool [pairs]. A pair is called the same person if and only if
its distance <= the threshold, so pairs of equal distance are always called alike: a curve has no point between them.

Definitions: FaceNet (Schroff et al., 2015), section 4, for VAL and FAR; Labeled Faces in the Wild (Huang et al., 2007),
View 2, for accuracy over folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Distances = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

ROC_POINTS = 200

# Folds are counted together while their counts are not more: few pairs at once, many fold by fold.
_MOST_COUNTS = 1 << 16

# Distances of embeddings are told apart to a millionth: float32 vectors of length 1 say no more.
STEP = 2.0**-20
# Up to 2.25: nearly of length 1, vectors may be a little more than 2 apart.
STEPS = 9 * 2**18


@dataclass(frozen=True)
class Curve:
    """What is accepted at every threshold that makes a difference, from none to all.

    Args:
        thresholds: float64 [n], ascending: just below the smallest distance, then every distinct distance.
        accepted_same: int64 [n], same-identity pairs with distance <= threshold: |TA(d)|.
        accepted_different: int64 [n], different-identity pairs with distance <= threshold: |FA(d)|.
    """

    thresholds: Distances
    accepted_same: Counts
    accepted_different: Counts

    @property
    def same_pairs(self) -> int:
        """The number of same-identity pairs."""
        return int(self.accepted_same[-1])

    @property
    def different_pairs(self) -> int:
        """The number of different-identity pairs."""
        return int(self.accepted_different[-1])

    @property
    def val(self) -> Distances:
        """Validation rate: the share of same-identity pairs that are accepted."""
        return self.accepted_same / self.same_pairs

    @property
    def far(self) -> Distances:
        """False accept rate: the share of different-identity pairs that are accepted."""
        return self.accepted_different / self.different_pairs


@dataclass(frozen=True)
class FoldAccuracy:
    """One fold: its accuracy at the threshold that is best on all other folds, and its pairs."""

    fold: int
    accuracy: float
    threshold: float
    same_pairs: int
    different_pairs: int


def curve(distances: Distances, same: Flags) -> Curve:
    """Counts accepted pairs at every distinct distance; at least one pair is needed."""
    order = _order(distances)
    distances, same = distances[order], same[order]
    last_of_equals = np.flatnonzero(np.append(distances[1:] != distances[:-1], True))
    accepted_same = np.cumsum(same)[last_of_equals]
    return Curve(
        np.concatenate([np.nextafter(distances[:1], -np.inf), distances[last_of_equals]]),
        np.concatenate([[0], accepted_same]),
        np.concatenate([[0], last_of_equals + 1 - accepted_same]),
    )


def _steps(distances: Distances) -> npt.NDArray[np.int32] | None:
    """Distances as numbers of steps; None unless all are multiples of `STEP` below `STEPS * STEP`."""
    scaled = distances * (1 / STEP)
    steps = scaled.astype(np.int32)
    # As numbers without a sign negative ones are the largest.
    fits = steps.view(np.uint32).max() < STEPS and (steps == scaled).all()
    return steps if fits else None


def _order(distances: Distances) -> Counts:
    """What sorts distances."""
    steps = _steps(distances)
    if steps is None:
        return np.argsort(distances)
    # Numbers of 16 bits are sorted in a few passes over them: by the lower bits, then by the others.
    order = np.argsort(steps.astype(np.uint16), kind="stable")
    return order[np.argsort((steps >> 16).astype(np.uint8)[order], kind="stable")]


def count(counts: Counts, distances: Distances) -> None:
    """Counts pairs by distance, without sorting and in memory that does not grow.

    Args:
        counts: int64 [STEPS], so many pairs of each multiple of `STEP` from 0 up: these pairs are added.
        distances: float64 [pairs], multiples of `STEP` below `STEPS * STEP`.
    """
    np.add.at(counts, (distances / STEP).astype(np.int32), 1)


def curve_of_counts(same: Counts, different: Counts) -> Curve:
    """The curve of pairs that were counted.

    Args:
        same: int64 [STEPS], of same-identity pairs, at least one.
        different: int64 [STEPS], of different-identity pairs, at least one.
    """
    present = np.flatnonzero(same + different)
    thresholds = present * STEP
    return Curve(
        np.concatenate([np.nextafter(thresholds[:1], -np.inf), thresholds]),
        np.concatenate([[0], np.cumsum(same[present])]),
        np.concatenate([[0], np.cumsum(different[present])]),
    )


def best_threshold(curve: Curve) -> float:
    """The threshold of the highest accuracy.

    Midway between the largest distance that it accepts and the smallest that it rejects. When several are equally good,
    the smallest: it accepts the fewest strangers. Where rejecting all is best it lies just below the smallest distance,
    where accepting all is best at the largest.
    """
    accepted = curve.accepted_same + curve.accepted_different
    gained = (curve.accepted_same - curve.accepted_different)[1:]
    return float(_best(curve.thresholds[1:], gained[None], np.diff(accepted)[None])[0])


def _best(distances: Distances, gained: Counts, pairs: Counts) -> Distances:
    """The `best_threshold` of each row.

    Args:
        distances: float64 [n], ascending, distinct.
        gained: int64 [rows, n], how many more calls are right by accepting all up to each distance than by accepting
            none.
        pairs: int64 [rows, n], how many pairs are of each distance; those of none are passed over.

    Returns:
        float64 [rows].
    """
    rows = np.arange(len(gained))
    best = gained.argmax(axis=1)
    present = pairs > 0
    beyond = present & (np.arange(len(distances)) > best[:, None])
    rejected = beyond.argmax(axis=1)  # the first, or 0 if there is none
    thresholds, nearest = distances[best], distances[rejected]
    midway = (thresholds + nearest) / 2
    # Neighbouring floats have nothing between them.
    np.copyto(thresholds, midway, where=beyond[rows, rejected] & (midway < nearest))
    rejects_all = gained[rows, best] <= 0
    if rejects_all.any():
        thresholds[rejects_all] = np.nextafter(distances[present.argmax(axis=1)], -np.inf)[rejects_all]
    return thresholds


def accuracy(distances: Distances, same: Flags, threshold: float) -> float:
    """The share of pairs that are called rightly."""
    return float(np.mean((distances <= threshold) == same))


def fold_accuracies(distances: Distances, same: Flags, fold: npt.NDArray[np.integer]) -> Iterator[FoldAccuracy]:
    """Accuracy of each fold at the threshold that is best on the other folds (LFW, View 2).

    Args:
        distances: float64 [pairs].
        same: bool [pairs].
        fold: int [pairs], from 0, at least two different values.
    """
    distinct, rank = _distinct(distances)
    folds = int(fold.max()) + 1
    at_once = min(folds, max(1, _MOST_COUNTS // len(distinct)))
    if at_once < folds:
        pairs, gained = _count_cells(rank, same, (1, len(distinct)))
    for begin in range(0, folds, at_once):
        some = slice(None) if at_once == folds else np.flatnonzero((fold >= begin) & (fold < begin + at_once))
        cell = (fold[some] - begin) * len(distinct) + rank[some]
        inside, gained_inside = _count_cells(cell, same[some], (at_once, len(distinct)))
        if at_once == folds:
            pairs, gained = inside.sum(axis=0), gained_inside.sum(axis=0)
        thresholds = _best(distinct, gained - gained_inside, pairs - inside)
        accepted = distinct.searchsorted(thresholds, side="right")
        rights = np.where(accepted, gained_inside[np.arange(at_once), accepted - 1], 0)
        columns = thresholds, inside.sum(axis=1), gained_inside[:, -1], rights
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for number, (threshold, of_fold, more_same, right) in enumerate(rows, begin):
            if of_fold:
                of_same = (of_fold + more_same) // 2
                yield FoldAccuracy(number, (of_fold - of_same + right) / of_fold, threshold, of_same, of_fold - of_same)


def _count_cells(cell: npt.NDArray[np.integer], same: Flags, shape: tuple[int, int]) -> tuple[Counts, Counts]:
    """The pairs in each cell of a table, and how many more calls are right by accepting its row up to there.

    Args:
        cell: int [pairs], in which cell each pair is.
        same: bool [pairs].
        shape: of the table.
    """
    counts = np.bincount(2 * cell + same, minlength=2 * shape[0] * shape[1]).reshape(*shape, 2)
    of_different, of_same = counts[..., 0], counts[..., 1]
    return of_same + of_different, (of_same - of_different).cumsum(axis=1)


def _distinct(distances: Distances) -> tuple[Distances, Counts]:
    """The distinct distances, ascending, and for each distance which of them it is."""
    order = _order(distances)
    ordered = distances[order]
    begins = np.ones(len(order), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    rank = np.empty(len(order), np.int64)
    rank[order] = begins.cumsum()
    rank -= 1
    return ordered[begins], rank


def area_under_curve(curve: Curve) -> float:
    """Area under VAL over FAR: how often a same-identity pair is closer than a different one, ties counting half."""
    return float(np.trapezoid(curve.val, curve.far))


def equal_error_rate(curve: Curve) -> tuple[float, float]:
    """Where as many of the same are rejected as of the different are accepted.

    Returns:
        The rate, on the straight line between the two points of the curve around it, and the smallest distance at which
        FAR >= 1 - VAL.
    """
    far, val = curve.far, curve.val
    excess = far - (1 - val)  # ascending, from -1 to 1
    after = int(np.argmax(excess >= 0))
    before = after - 1
    share = excess[before] / (excess[before] - excess[after])
    return float(far[before] + share * (far[after] - far[before])), float(curve.thresholds[after])


def val_at_far(curve: Curve, far: float) -> tuple[float, float] | None:
    """VAL at the largest threshold whose FAR is not above `far`.

    Returns:
        VAL and the threshold; None with fewer than 1 / `far` different-identity pairs, which cannot show such a rate.
    """
    if curve.different_pairs * far < 1:
        return None
    point = int(np.searchsorted(curve.far, far, side="right")) - 1
    return float(curve.val[point]), float(curve.thresholds[point])


def roc(curve: Curve, points: int = ROC_POINTS) -> list[tuple[float, float, float]]:
    """The curve thinned: half of the points at even steps of VAL, half at even steps of log FAR.

    Returns:
        About `points` of (FAR, VAL, threshold), ascending, from (0, 0) to (1, 1).
    """
    same_steps = np.linspace(0, curve.same_pairs, points // 2)
    different_steps = np.geomspace(1, curve.different_pairs, points // 2)
    chosen = np.unique(
        np.concatenate(
            [
                [0, len(curve.thresholds) - 1],
                np.searchsorted(curve.accepted_same, same_steps),
                # The last point before a false accept too many: the corner of the step, not its foot.
                np.searchsorted(curve.accepted_different, different_steps, side="right") - 1,
            ]
        )
    )
    far, val = curve.far, curve.val
    return [(float(far[i]), float(val[i]), float(curve.thresholds[i])) for i in chosen]

"""How far the numbers would move with other people like these: a bootstrap over identities.

The subsets bootstrap (Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets
bootstrap", CVIU 2004): people are drawn with replacement, not pairs, because pairs that share a person are not
independent. A pair counts as often as its people were drawn, a pair of two people the product of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluate.compared import MeasuredPairs
from components.evaluate.embeddings import Indices
from components.evaluate.metrics import Distances, Flags

REPLICATES = 200
TAILS = (0.025, 0.975)
# Points of the curve whose area is taken: enough for an area that is right to 1e-5 and better.
_POINTS = 1 << 16

Range = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """The ranges in which 95 % of the replicates lie, for VAL and for the threshold that it is taken at."""

    val: Range
    threshold: Range


@dataclass(frozen=True)
class Ranges:
    """The ranges in which 95 % of the replicates lie, for the AUC and at each false accept rate."""

    auc: Range
    rates: dict[float, Interval]


def intervals(
    same_pairs: MeasuredPairs,
    different_pairs: MeasuredPairs,
    identity: Indices,
    people: Indices,
    rates: Sequence[float],
    seed: int,
) -> Ranges | None:
    """95 % intervals of the AUC, and of VAL and its threshold at some false accept rates.

    Args:
        same_pairs: same-identity pairs; a million of them say as much as more pairs of the same people.
        different_pairs: different-identity pairs, likewise.
        identity: int64 [faces], numbers from 0.
        people: int64 [people], the identities to draw from, each once.
        rates: false accept rates, each above 0 and below 1.
        seed: seed of the draws.

    Returns:
        The intervals; None when no replicate has pairs of both kinds.
    """
    same, different = _Side.of(same_pairs, identity, True), _Side.of(different_pairs, identity, False)
    # Many same-identity pairs are taken together in groups of neighbours, each as near as the pair in its middle.
    total = len(same.distances)
    edges = np.append(np.arange(0, total, -(-total // _POINTS) or 1), total)
    middle = same.distances[(edges[:-1] + edges[1:] - 1) // 2]
    # How many different-identity pairs are nearer than that: without and with those as near.
    nearer = np.searchsorted(different.distances, middle, "left")
    as_near = np.searchsorted(different.distances, middle, "right")
    at_each_rate: list[list[Range]] = []
    areas: list[float] = []
    for drawn in _draws(people, seed):
        accepted = same.count_accepted(drawn), different.count_accepted(drawn)
        if accepted[0][-1] and accepted[1][-1]:
            at_each_rate.append([_val_at_far(same, different, *accepted, far) for far in rates])
            areas.append(_area(accepted[0][edges], accepted[1], nearer, as_near))
    if not at_each_rate:
        return None
    least, most = np.quantile(areas, TAILS)
    return Ranges((float(least), float(most)), _intervals(at_each_rate, rates))


def search_intervals(
    mates: Distances,
    mate_people: Indices,
    nearest: Distances,
    stranger_people: Indices,
    rates: Sequence[float],
    seed: int,
) -> dict[float, Interval]:
    """95 % intervals of the share of mated searches that succeed, at some false positive identification rates.

    A search counts as often as its probe's person was drawn. Galleries stay as they are.

    Args:
        mates: float64 [mated], how far the mates are.
        mate_people: int64 [mated], the people of the probes, numbers from 0.
        nearest: float64 [nonmated], how far the nearest candidates are.
        stranger_people: int64 [nonmated], likewise.
        rates: each above 0 and below 1.
        seed: seed of the draws.

    Returns:
        By rate; empty when no replicate has searches of both kinds.
    """
    mated, nonmated = _Side.of_searches(mates, mate_people), _Side.of_searches(nearest, stranger_people)
    at_each_rate: list[list[Range]] = []
    for drawn in _draws(np.union1d(mate_people, stranger_people), seed):
        accepted = mated.count_accepted(drawn), nonmated.count_accepted(drawn)
        if accepted[0][-1] and accepted[1][-1]:
            at_each_rate.append([_val_at_far(mated, nonmated, *accepted, far) for far in rates])
    return _intervals(at_each_rate, rates)


def gallery_interval(named: Indices, searched: Indices, seed: int) -> Range:
    """The 95 % interval of the share of strangers that get a name, with one other gallery and other strangers.

    Each replicate is one of the galleries, and draws the strangers' people.

    Args:
        named: int64 [galleries, people], how many of each person's searches in each gallery give a name.
        searched: int64 [galleries, people], how many searches there are; none where somebody is enrolled.
        seed: seed of the draws.
    """
    gallery = np.random.default_rng(seed).integers(len(named), size=REPLICATES)
    drawn = zip(gallery, _draws(np.arange(named.shape[1]), seed), strict=True)
    shares = [times @ named[one] / max(1, times @ searched[one]) for one, times in drawn]
    low, high = np.quantile(shares, TAILS)
    return float(low), float(high)


def _intervals(at_each_rate: Sequence[Sequence[Range]], rates: Sequence[float]) -> dict[float, Interval]:
    """From VAL and its threshold, of each replicate and at each rate, to their ranges."""
    if not at_each_rate or not rates:
        return {}
    low, high = np.quantile(np.array(at_each_rate), TAILS, axis=0)  # [rates, 2] each
    return {
        far: Interval((float(low[i, 0]), float(high[i, 0])), (float(low[i, 1]), float(high[i, 1])))
        for i, far in enumerate(rates)
    }


def accuracy_error(right: Flags, same: Flags, first: Indices, second: Indices, seed: int) -> float | None:
    """The standard error of an accuracy over people: its deviation over the replicates.

    Replicates keep the share of same-identity pairs that the accuracy was measured on, and the thresholds.

    Args:
        right: bool [pairs], whether the pair is called rightly.
        same: bool [pairs].
        first: int64 [pairs], the people of the first faces, numbers from 0.
        second: int64 [pairs].
        seed: seed of the draws.

    Returns:
        0 to 1; None with fewer than two replicates that have pairs of both kinds.
    """
    kinds = [(right[kind], first[kind], second[kind], np.mean(kind)) for kind in (same, ~same)]
    accuracies = []
    for drawn in _draws(np.union1d(first, second), seed):
        # A pair of one person counts as often as that person was drawn.
        times = drawn[kinds[0][1]], drawn[kinds[1][1]] * drawn[kinds[1][2]]
        totals = [weights.sum() for weights in times]
        if all(totals):
            accuracies.append(
                sum(
                    kind[3] * (weights @ kind[0]) / total
                    for kind, weights, total in zip(kinds, times, totals, strict=True)
                )
            )
    return float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None


def rate_replicates(
    errors: Indices, pairs: Indices, first: Indices, second: Indices | None, people: Indices, seed: int
) -> Distances:
    """An error rate in each replicate, NaN where none of its pairs is drawn.

    Equal people and seeds draw alike, so rates of several groups can be compared within a replicate.

    Args:
        errors: int64 [n], the pairs of a person, or of two people, that are called wrongly.
        pairs: int64 [n], all pairs of theirs.
        first: int64 [n], the people, numbers from 0.
        second: int64 [n], the other people; None for pairs of one person.
        people: int64 [people], the identities to draw from, each once.
        seed: seed of the draws.

    Returns:
        float64 [REPLICATES], 0 to 1.
    """
    rates = np.full(REPLICATES, np.nan)
    for number, drawn in enumerate(_draws(people, seed)):
        times = drawn[first] if second is None else drawn[first] * drawn[second]
        if total := times @ pairs:
            rates[number] = (times @ errors) / total
    return rates


@dataclass(frozen=True)
class _Side:
    """The pairs of one kind, or the searches of one, nearest first: distances, and both people of each, or one."""

    distances: Distances
    first: Indices
    second: Indices | None

    @classmethod
    def of(cls, pairs: MeasuredPairs, identity: Indices, same: bool) -> _Side:
        pairs = pairs[np.argsort(pairs.distances)]
        return cls(pairs.distances, identity[pairs.first], None if same else identity[pairs.second])

    @classmethod
    def of_searches(cls, distances: Distances, people: Indices) -> _Side:
        order = np.argsort(distances)
        return cls(distances[order], people[order], None)

    def count_accepted(self, drawn: Indices) -> Indices:
        """int64 [pairs + 1]: the nearest 0, 1, ... pairs, each counted as often as it was drawn."""
        times = drawn[self.first]
        if self.second is not None:
            times *= drawn[self.second]
        accepted = np.zeros(len(times) + 1, np.int64)
        np.cumsum(times, out=accepted[1:])
        return accepted


def _draws(people: Indices, seed: int) -> Iterator[Indices]:
    """How often each person is drawn, by identity, once for each replicate."""
    rng = np.random.default_rng(seed)
    for _ in range(REPLICATES):
        drawn = np.zeros(people.max() + 1, np.int64)
        drawn[people] = rng.multinomial(len(people), np.full(len(people), 1 / len(people)))
        yield drawn


def _area(same_accepted: Indices, accepted: Indices, nearer: Indices, as_near: Indices) -> float:
    """The area under the curve, as in `metrics.area_under_curve`: equal distances count half."""
    weights = np.diff(same_accepted)
    mistaken = weights @ ((accepted[nearer] + accepted[as_near]) / 2)
    return float(1 - mistaken / (same_accepted[-1] * float(accepted[-1])))


def _val_at_far(same: _Side, different: _Side, same_accepted: Indices, accepted: Indices, far: float) -> Range:
    """VAL and its threshold, as in `metrics.val_at_far`: at the last distance before a false accept too many."""
    first_too_many = int(np.searchsorted(accepted, far * accepted[-1], side="right")) - 1
    limit = different.distances[first_too_many]
    kept = int(np.searchsorted(same.distances, limit)), int(np.searchsorted(different.distances, limit))
    nearest = [side.distances[count - 1] for side, count in zip((same, different), kept, strict=True) if count]
    threshold = max(nearest) if nearest else np.nextafter(limit, -np.inf)
    return float(same_accepted[kept[0]] / same_accepted[-1]), float(threshold)

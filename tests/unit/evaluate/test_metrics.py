"""Metrics against scikit-learn and against the definitions, spelled out as loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from components.evaluate.metrics import (
    STEP,
    STEPS,
    accuracy,
    area_under_curve,
    best_threshold,
    count,
    curve,
    curve_of_counts,
    equal_error_rate,
    fold_accuracies,
    roc,
    val_at_far,
)


def overlapping(seed, pairs=600):
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.4
    return np.clip(rng.normal(np.where(same, 0.9, 1.3), 0.2), 0, 2), same


def tied(seed, pairs=600):
    distances, same = overlapping(seed, pairs)
    return np.round(distances, 1), same


def separated(seed, pairs=100):
    rng = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    return np.where(same, rng.uniform(0, 0.5, pairs), rng.uniform(1, 2, pairs)), same


def reversed_(seed):
    distances, same = separated(seed)
    return distances, ~same


def equal(seed, pairs=50):
    return np.full(pairs, 1.0), np.arange(pairs) % 5 < 3


CASES = [pytest.param(make, seed) for make in (overlapping, tied, separated, reversed_, equal) for seed in range(3)]


def best_by_loop(distances, same):
    """The best accuracy, and the smallest set of accepted distances that reaches it."""
    candidates = [-1.0, *sorted(set(distances))]
    scores = [sum((d <= t) == s for d, s in zip(distances, same, strict=True)) for t in candidates]
    best = scores.index(max(scores))
    return max(scores) / len(same), candidates[best]


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_the_best_threshold_is_the_strictest_of_a_loop_over_all(make, seed):
    distances, same = make(seed)
    threshold = best_threshold(curve(distances, same))
    expected, accepted = best_by_loop(distances, same)
    assert accuracy(distances, same, threshold) == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(distances <= threshold, distances <= accepted)


def test_a_threshold_is_midway_between_its_neighbours():
    assert best_threshold(curve(np.array([0.2, 0.4, 1.0, 1.5]), np.array([True, True, False, False]))) == 0.7


def test_a_threshold_between_neighbouring_floats_still_separates_them():
    upper = np.nextafter(1.0, 2)
    distances, same = np.array([1.0, upper]), np.array([True, False])
    assert accuracy(distances, same, best_threshold(curve(distances, same))) == 1


def test_accepting_none_and_accepting_all_are_thresholds_too():
    distances = np.array([0.0, 1.0, 1.0])
    assert best_threshold(curve(distances, np.array([False, False, False]))) < 0
    assert best_threshold(curve(distances, np.array([True, True, True]))) == 1


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_the_area_is_that_of_scikit_learn(make, seed):
    distances, same = make(seed)
    assert area_under_curve(curve(distances, same)) == pytest.approx(roc_auc_score(same, -distances), abs=1e-12)


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_the_curve_is_that_of_scikit_learn(make, seed):
    distances, same = make(seed)
    found = curve(distances, same)
    far, val, thresholds = roc_curve(same, -distances, drop_intermediate=False)
    assert np.allclose(found.far, far)
    assert np.allclose(found.val, val)
    assert np.array_equal(found.thresholds[1:], -thresholds[1:])


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_the_equal_error_rate_lies_on_the_curve_where_the_errors_are_equal(make, seed):
    distances, same = make(seed)
    far, val, _ = roc_curve(same, -distances, drop_intermediate=False)
    rate, threshold = equal_error_rate(curve(distances, same))
    # On the straight lines between scikit-learn's points, fine enough to bracket the crossing.
    grid = np.linspace(0, len(far) - 1, 200_001)
    far_line, val_line = (np.interp(grid, np.arange(len(far)), values) for values in (far, val))
    crossing = np.argmin(np.abs(far_line - (1 - val_line)))
    assert rate == pytest.approx(far_line[crossing], abs=1e-3)
    assert np.mean(distances[~same] <= threshold) >= np.mean(distances[same] > threshold)
    below = np.nextafter(threshold, -1)
    assert np.mean(distances[~same] <= below) < np.mean(distances[same] > below)


@pytest.mark.parametrize(("make", "seed"), CASES)
@pytest.mark.parametrize("far", [0.1, 0.05, 0.03])
def test_val_at_far_is_the_best_of_a_loop_over_all_thresholds(make, seed, far):
    distances, same = make(seed)
    candidates = [-1.0, *distances]
    expected = max(np.mean(distances[same] <= t) for t in candidates if np.mean(distances[~same] <= t) <= far)
    measured = val_at_far(curve(distances, same), far)
    if far * np.count_nonzero(~same) < 1:
        assert measured is None
    else:
        val, threshold = measured
        assert val == pytest.approx(expected, abs=1e-12)
        assert np.mean(distances[same] <= threshold) == pytest.approx(val, abs=1e-12)
        assert np.mean(distances[~same] <= threshold) <= far


@pytest.mark.parametrize(("different", "measurable"), [(999, False), (1000, True)])
def test_a_rate_needs_as_many_different_pairs_as_its_inverse(different, measurable):
    distances = np.linspace(0, 2, different + 1)
    same = np.arange(different + 1) == 0
    assert (val_at_far(curve(distances, same), 1e-3) is not None) == measurable


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_each_fold_is_judged_with_the_threshold_of_the_others(make, seed):
    distances, same = make(seed)
    fold = np.random.default_rng(seed).permutation(np.arange(len(same)) % 5)
    found = list(fold_accuracies(distances, same, fold))
    assert [result.fold for result in found] == [0, 1, 2, 3, 4]
    for result in found:
        inside = fold == result.fold
        threshold = best_threshold(curve(distances[~inside], same[~inside]))
        assert result.threshold == threshold
        assert result.accuracy == pytest.approx(np.mean((distances[inside] <= threshold) == same[inside]))
        assert result.same_pairs == np.sum(same[inside])
        assert result.same_pairs + result.different_pairs == np.sum(inside)


def test_a_fold_does_not_choose_its_own_threshold():
    """Fold 1 alone would be perfect at 1.5; the other fold says 0.5."""
    distances = np.array([0.2, 0.8, 1.2, 1.8])
    same = np.array([True, False, True, False])
    assert [result.accuracy for result in fold_accuracies(distances, same, np.array([0, 0, 1, 1]))] == [0.5, 0.5]


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_the_thinned_curve_lies_on_the_whole_one_from_end_to_end(make, seed):
    whole = curve(*make(seed))
    points = roc(whole)
    assert set(points) <= set(zip(whole.far, whole.val, whole.thresholds, strict=True))
    assert points == sorted(points)
    assert points[0][:2] == (0, 0)
    assert points[-1][:2] == (1, 1)
    assert np.isfinite(points).all()


def test_many_pairs_are_thinned_to_a_curve_of_nearly_the_same_area():
    whole = curve(*overlapping(0, 50_000))
    far, val, _ = np.array(roc(whole)).T
    assert 150 <= len(far) <= 202
    assert np.trapezoid(val, far) == pytest.approx(area_under_curve(whole), abs=1e-3)


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_counting_gives_the_curve_that_sorting_gives(make, seed):
    distances, same = make(seed)
    distances = np.rint(distances / STEP) * STEP
    counts = np.zeros((2, STEPS), np.int64)
    for chunk in range(0, len(same), 7):
        some, kind = distances[chunk : chunk + 7], same[chunk : chunk + 7]
        count(counts[0], some[kind])
        count(counts[1], some[~kind])
    counted, by_sorting = curve_of_counts(*counts), curve(distances, same)
    for name in ("thresholds", "accepted_same", "accepted_different"):
        np.testing.assert_array_equal(getattr(counted, name), getattr(by_sorting, name))

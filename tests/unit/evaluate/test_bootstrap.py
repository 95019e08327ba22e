"""The standard error of an accuracy against the definition spelled out."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluate.bootstrap import REPLICATES, accuracy_error


def oracle(right, same, first, second, seed):
    """Draws people, and lists each pair as often as its people were drawn."""
    rng, people, accuracies = np.random.default_rng(seed), sorted({*first, *second}), []
    for _ in range(REPLICATES):
        times = dict(zip(people, rng.multinomial(len(people), [1 / len(people)] * len(people)), strict=True))
        drawn = {True: [], False: []}
        for is_right, is_same, one, other in zip(right, same, first, second, strict=True):
            drawn[bool(is_same)] += [is_right] * (times[one] if is_same else times[one] * times[other])
        if drawn[True] and drawn[False]:
            accuracies.append(np.mean(same) * np.mean(drawn[True]) + np.mean(~same) * np.mean(drawn[False]))
    return np.std(accuracies, ddof=1)


@pytest.mark.parametrize("seed", [0, 1])
def test_people_are_drawn_and_not_pairs(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 8, (2, 90)) + 3
    same = np.arange(90) < 40
    second[same] = first[same]
    # Somebody whose pairs are all wrong: whether they are drawn moves the accuracy far more than a pair would.
    right = (rng.random(90) < 0.9) & (first != 5)
    found = accuracy_error(right, same, first, second, seed)
    assert found == pytest.approx(oracle(right, same, first, second, seed))
    of_pairs = np.sqrt(right.mean() * (1 - right.mean()) / 90)
    assert found > of_pairs


def test_without_pairs_of_both_kinds_it_is_not_known():
    none = np.zeros(2, np.int64)
    assert accuracy_error(np.ones(2, bool), np.ones(2, bool), none, none, 0) is None

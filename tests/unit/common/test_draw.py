"""Every set of numbers is drawn as often."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from components.common.draw import draw_distinct


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6])
def test_what_is_drawn_is_distinct_ascending_and_every_set_is_as_likely(count):
    rng = np.random.default_rng(0)
    found = [tuple(draw_distinct(6, count, rng).tolist()) for _ in range(3000)]
    sets = list(itertools.combinations(range(6), count))  # ascending each
    expected = 3000 / len(sets)
    assert set(found) <= set(sets)
    np.testing.assert_allclose([found.count(one) for one in sets], expected, atol=5 * np.sqrt(expected))


@pytest.mark.parametrize("count", [1, 19, 20, 500, 999])
def test_a_small_share_and_a_large_one_are_distinct_and_ascending(count):
    numbers = draw_distinct(1000, count, np.random.default_rng(0))
    assert len(numbers) == count
    assert (np.diff(numbers) > 0).all()
    assert numbers[0] >= 0 and numbers[-1] < 1000


def test_a_small_share_has_every_number_as_often():
    rng = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([draw_distinct(200, 3, rng) for _ in range(4000)]), minlength=200)
    np.testing.assert_allclose(counts, 60, atol=5 * np.sqrt(60))

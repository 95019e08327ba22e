"""Thresholds for galleries against loops that spell them out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from components.evaluate.bootstrap import REPLICATES, gallery_interval
from components.evaluate.galleries import Plan, galleries
from components.evaluate.references import on_grid
from components.evaluate.strangers import ENROLLED, LEAST_NAMED, thresholds


def people(number, faces, *, size=6, seed=0):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(number), faces)
    vectors = rng.normal(size=(number, size))[identity] + 0.6 * rng.normal(size=(len(identity), size))
    return on_grid(vectors.astype(np.float32)), identity


def distance_to_mean(probe, faces):
    mean = [math.fsum(column) / len(faces) for column in zip(*faces, strict=True)]
    length = math.hypot(*mean)
    return math.dist([x / length for x in mean], probe)


def test_a_threshold_is_the_largest_distance_that_names_no_more_strangers():
    grid, identity = people(30, 4)
    rows = thresholds(grid, identity, "mean embedding", seed=3)
    assert [(row["people"], row["enrolled_faces"]) for row in rows[::4]] == [(10, 1), (10, 2), (15, 1), (15, 2)]
    exact = grid.astype(float).tolist()
    for size in (10, 15):
        plan = Plan(30, np.arange(30), [10, 15], list(ENROLLED))
        drawn = list(galleries(identity, plan, size, 3))
        for enrolled in ENROLLED:
            nearest, faces = [], set()
            for gallery in drawn:
                everybody = [[exact[face] for face in of_one[:enrolled]] for of_one in gallery.enrolled]
                nearest += [min(distance_to_mean(exact[i], one) for one in everybody) for i in gallery.strangers]
                faces |= set(gallery.strangers.tolist())
            for row in rows:
                if (row["people"], row["enrolled_faces"]) != (size, enrolled):
                    continue
                rate = Fraction(row["fpir"])
                if len(faces) * row["fpir"] < LEAST_NAMED - 1e-9:
                    assert row["threshold"] is None and row["fpir_interval"] is None
                    continue
                allowed = [t for t in nearest if Fraction(sum(d <= t for d in nearest), len(nearest)) <= rate]
                assert row["threshold"] == pytest.approx(max(allowed), abs=1e-7)
                low, high = row["fpir_interval"]
                assert low <= row["fpir"] <= high
    measured = [row["fpir"] for row in rows[:4] if row["threshold"] is not None]
    assert measured[0] == 0.1 and measured[1:] == [pytest.approx(LEAST_NAMED / 120)]


@pytest.mark.parametrize("most", [{"MOST_SEARCHES": 6 * 30}, {"MOST_COMPARISONS": 6 * 30 * 10}])
def test_of_too_many_probes_each_draw_searches_for_others(monkeypatch, most):
    _, identity = people(30, 4)
    plan = Plan(30, np.arange(30), [10], list(ENROLLED))
    whole = list(galleries(identity, plan, 10, 3, draws=6))
    for name, value in most.items():
        monkeypatch.setattr(f"components.evaluate.galleries.{name}", value)
    some = list(galleries(identity, plan, 10, 3, draws=6))
    for full, part in zip(whole, some, strict=True):
        assert (part.enrolled == full.enrolled).all()
        assert len(part.strangers) <= 30 and set(part.strangers) <= set(full.strangers)
        assert len(part.mated) == 20 and (identity[part.enrolled[part.mate, 0]] == identity[part.mated]).all()
    # Every third of 80 strangers, each draw from a place further on.
    for draw, (full, part) in enumerate(zip(whole, some, strict=True)):
        assert part.strangers.tolist() == full.strangers[draw % 3 :: 3].tolist()


@pytest.mark.parametrize(("number", "faces"), [(3, 1), (2, 4), (0, 1)])
def test_too_few_people_give_none(number, faces):
    assert thresholds(*people(number, faces), "mean embedding", seed=0) == []


def test_the_interval_is_that_of_single_galleries_searched_as_often_as_people_are_drawn():
    rng = np.random.default_rng(0)
    searched = rng.integers(0, 6, (3, 20))
    named = rng.integers(0, searched + 1)
    draws, shares = np.random.default_rng(7), []
    galleries_drawn = np.random.default_rng(7).integers(3, size=REPLICATES)
    for gallery in galleries_drawn:
        times = draws.multinomial(20, np.full(20, 1 / 20))
        flags = []
        for person in range(20):
            flags += [1] * (named[gallery, person] * times[person])
            flags += [0] * ((searched[gallery, person] - named[gallery, person]) * times[person])
        shares.append(sum(flags) / len(flags))
    assert gallery_interval(named, searched, 7) == pytest.approx(tuple(np.quantile(shares, (0.025, 0.975))))

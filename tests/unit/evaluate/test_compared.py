"""What is kept of pairs that pass by some at a time, against all of them listed."""

from __future__ import annotations

import numpy as np
import pytest

from components.common import draw
from components.evaluate import compared
from components.evaluate.compared import Compared
from components.evaluate.embeddings import pair_distances
from components.evaluate.metrics import curve
from components.evaluate.protocols import Population

THRESHOLD = 1.2
ENOUGH = 2 * 60 + 1  # to show two pairs of 60 faces


@pytest.fixture(scope="module")
def vectors():
    """Of few distinct values, so that many pairs are equally far apart."""
    found = np.random.default_rng(0).integers(-1, 2, (60, 4)) + np.float32([0.5, 0, 0, 0])
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=[(None, None), (100, 900)], ids=["all", "sampled"])
def pairs(request):
    population = Population.of(np.arange(60), np.random.default_rng(1).permutation(np.repeat(np.arange(6), 10)))
    same, different = (given or there for given, there in zip(request.param, population.counts(), strict=True))
    return population.draw(same, different, np.random.default_rng(2))


@pytest.fixture(params=[8, 2**20], ids=["pieces", "whole"])
def found(request, vectors, pairs, monkeypatch):
    monkeypatch.setattr(draw, "_PIECE", request.param)
    monkeypatch.setattr(compared, "MOST_PAIRS", 70)
    monkeypatch.setattr(compared, "SHOWN", 2)
    return Compared.of(vectors, pairs, THRESHOLD)


@pytest.fixture
def kinds(found, vectors, pairs):
    """Each kind, and first faces, second faces and distances of all its pairs."""
    listed = pairs.as_pairs()
    distances = pair_distances(vectors, listed.first, listed.second)
    return [
        (kept, listed.first[kind], listed.second[kind], distances[kind])
        for kept, kind in ((found.same, listed.same), (found.different, ~listed.same))
    ]


def test_all_pairs_are_on_the_curve(found, vectors, pairs):
    listed = pairs.as_pairs()
    wanted = curve(pair_distances(vectors, listed.first, listed.second), listed.same)
    for name in ("thresholds", "accepted_same", "accepted_different"):
        np.testing.assert_array_equal(getattr(found.curve, name), getattr(wanted, name))
    np.testing.assert_array_equal(found.faces, np.union1d(listed.first, listed.second))


def test_the_sample_is_of_pairs_at_even_distances(kinds):
    for kept, *columns in kinds:
        every = -(-len(columns[0]) // 70)
        assert every > 1
        for name, values in zip(("first", "second", "distances"), columns, strict=True):
            np.testing.assert_array_equal(getattr(kept.sample, name), values[::every])


def test_the_mistakes_are_the_worst_of_all_in_their_order(kinds):
    for kept, first, second, distances in kinds:
        is_same = kept is kinds[0][0]
        wrong = np.flatnonzero(distances > THRESHOLD if is_same else distances <= THRESHOLD)
        wrong = wrong[np.argsort(-distances[wrong] if is_same else distances[wrong], kind="stable")]
        for name, values in (("first", first), ("second", second), ("distances", distances)):
            np.testing.assert_array_equal(getattr(kept.mistakes, name), values[wrong[:ENOUGH]])

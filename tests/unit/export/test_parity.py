from __future__ import annotations

import numpy as np
import pytest

from components.evaluate.score import protocol_for
from components.export.parity import BOUNDS, Parity, parity, shortfalls


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def people():
    return np.repeat(np.arange(40), 4)


@pytest.fixture
def original(people):
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(40, 16))[people] + 0.5 * rng.normal(size=(len(people), 16)))


def test_a_copy_is_on_a_par(people, original):
    protocol, _ = protocol_for(people, seed=0)
    found = parity(original, original, protocol)
    assert found.minimum == pytest.approx(1)
    assert found.mean == pytest.approx(1)
    assert found.accuracy == found.original
    assert found.accuracy > 0.8
    for name in BOUNDS:
        assert shortfalls(name, found) == []


def test_a_few_broken_embeddings_show_in_the_minimum_and_a_blind_network_in_all(people, original):
    protocol, _ = protocol_for(people, seed=0)
    broken = original.copy()
    broken[3] *= -1
    assert parity(broken, original, protocol).minimum == pytest.approx(-1)
    blind = parity(unit(np.random.default_rng(1).normal(size=original.shape)), original, protocol)
    told = shortfalls("int8", blind)
    assert len(told) == 3
    assert (
        f"the accuracy is {blind.accuracy:.2%}, {blind.original - blind.accuracy:.2%} below the original's" in told[2]
    )


def test_faces_without_pairs_are_compared_by_cosine_alone(original):
    found = parity(original, original, None)
    assert (found.accuracy, found.original) == (None, None)
    assert shortfalls("float32", found) == []


def test_what_is_not_a_number_keeps_no_bound():
    told = shortfalls("float32", Parity(minimum=np.nan, mean=np.nan))
    assert len(told) == 2


def test_an_accuracy_may_fall_by_three_standard_errors_where_that_is_larger():
    def of(accuracy, error):
        return Parity(minimum=1, mean=1, accuracy=accuracy, standard_error=error, original=0.95)

    assert shortfalls("int8", of(0.941, 0.001)) == []
    assert shortfalls("int8", of(0.92, 0.011)) == []
    assert shortfalls("int8", of(0.92, 0.001)) == [
        "int8: the accuracy is 92.00%, 3.00% below the original's 95.00%; 1.00% is allowed"
    ]

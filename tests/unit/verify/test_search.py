from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluate.identification import RULE
from components.evaluate.references import on_grid, references
from components.evaluate.searches import best_similarities
from components.verify import search
from components.verify.search import People
from tests.unit.verify.rows import unit


@pytest.fixture
def crowd():
    """40 people with one to four faces each, in no order."""
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(40, dtype=np.int32), 1 + np.arange(40) % 4))
    return People([f"p{i}" for i in range(40)], person, unit(rng.normal(size=(len(person), 16))))


def distance_to_mean(faces, query):
    """Between a face and the mean of somebody's faces, both of length 1: plain Python."""
    mean = [math.fsum(column) for column in zip(*faces, strict=True)]
    length = math.sqrt(math.fsum(x * x for x in mean))
    return math.sqrt(math.fsum((x / length - y) ** 2 for x, y in zip(mean, query, strict=True)))


@pytest.mark.parametrize("at_once", [1, 7, 8192])
def test_the_nearest_people_are_those_of_a_loop_over_everybody(crowd, at_once, monkeypatch):
    monkeypatch.setattr(search, "_PEOPLE", at_once)
    query = unit(np.random.default_rng(1).normal(size=16))
    faces = {name: crowd.embeddings[crowd.person == i].tolist() for i, name in enumerate(crowd.names)}
    distances = {name: distance_to_mean(of_one, query.tolist()) for name, of_one in faces.items()}
    expected = sorted(distances.items(), key=lambda item: item[1])
    found = crowd.nearest(query, 5)
    assert [each.name for each in found] == [name for name, _ in expected[:5]]
    assert [each.distance for each in found] == pytest.approx([distance for _, distance in expected[:5]], abs=1e-6)


def test_somebody_with_one_face_is_that_face_bit_by_bit(crowd):
    single = np.flatnonzero(np.bincount(crowd.person) == 1)
    own = [crowd.embeddings[crowd.person == i][0] for i in single]
    assert len(single) == 10 and crowd.references[single].tobytes() == np.stack(own).tobytes()


def test_the_rule_is_the_one_that_evaluate_measures_thresholds_for():
    rng = np.random.default_rng(2)
    faces, query = on_grid(unit(rng.normal(size=(30, 16)))), on_grid(unit(rng.normal(size=(1, 16))))
    people = People([f"p{i}" for i in range(10)], np.repeat(np.arange(10, dtype=np.int32), 3), faces)
    best = best_similarities(references(faces.reshape(10, 3, 16), RULE), query, np.array([0]))[0]
    assert people.nearest(query[0], 1)[0].distance == pytest.approx(math.sqrt(2 - 2 * best), abs=1e-6)


def test_no_more_people_are_listed_than_there_are(crowd):
    found = crowd.nearest(crowd.references[7], 100)
    assert len(found) == 40
    assert found[0].name == crowd.names[7]
    assert found[0].distance == pytest.approx(0, abs=1e-3)

from __future__ import annotations

import numpy as np
import pytest

from components.verify.search import People, nearest
from tests.unit.verify.rows import unit


@pytest.fixture
def crowd():
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(40, dtype=np.int32), 3))
    return People([f"p{i}" for i in range(40)], person, unit(rng.normal(size=(120, 16))))


def test_the_nearest_people_are_those_of_a_loop_over_everybody(crowd):
    query = unit(np.random.default_rng(1).normal(size=16))
    distances = dict.fromkeys(crowd.names, np.inf)
    for face, whose in zip(crowd.embeddings, crowd.person, strict=True):
        name = crowd.names[whose]
        distances[name] = min(distances[name], float(np.linalg.norm(face.astype(float) - query)))
    expected = sorted(distances.items(), key=lambda item: item[1])
    found = nearest(crowd, query, 5)
    assert [each.name for each in found] == [name for name, _ in expected[:5]]
    assert [each.distance for each in found] == pytest.approx([distance for _, distance in expected[:5]], abs=1e-6)


def test_no_more_people_are_listed_than_there_are(crowd):
    found = nearest(crowd, crowd.embeddings[7], 100)
    assert len(found) == 40
    assert found[0].name == crowd.names[crowd.person[7]]
    assert found[0].distance == pytest.approx(0, abs=1e-3)

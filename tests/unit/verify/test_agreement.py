from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.verify.agreement import Agreement, agreement


def by_loops(groups, people):
    """The definitions, face by face and pair by pair."""
    faces = range(len(groups))
    pairs = list(combinations(faces, 2))
    one_group = [pair for pair in pairs if groups[pair[0]] == groups[pair[1]]]
    one_person = [pair for pair in pairs if people[pair[0]] == people[pair[1]]]
    both = set(one_group) & set(one_person)
    precisions, recalls = [], []
    for face in faces:
        group = {other for other in faces if groups[other] == groups[face]}
        person = {other for other in faces if people[other] == people[face]}
        precisions.append(len(group & person) / len(group))
        recalls.append(len(group & person) / len(person))
    return Agreement(
        len(both) / len(one_group) if one_group else None,
        len(both) / len(one_person) if one_person else None,
        sum(precisions) / len(faces),
        sum(recalls) / len(faces),
    )


def assert_alike(found, wanted):
    assert vars(found) == {
        name: value if value is None else pytest.approx(value, abs=1e-12) for name, value in vars(wanted).items()
    }


@pytest.mark.parametrize(("groups", "people"), [(1, 1), (1, 5), (5, 1), (4, 6), (30, 4)])
def test_precision_and_recall_are_those_of_loops_over_faces_and_pairs(groups, people):
    rng = np.random.default_rng(groups)
    for _ in range(3):
        labels = [[f"g{each}" for each in rng.integers(0, count, 40)] for count in (groups, people)]
        assert_alike(agreement(*labels), by_loops(*labels))


def test_without_a_pair_or_a_face_there_is_nothing_to_measure():
    alone = ["a", "b", "c"]
    assert agreement(alone, alone) == Agreement(None, None, 1, 1)
    assert agreement(alone, ["x"] * 3) == Agreement(None, 0, 1, pytest.approx(1 / 3))
    assert agreement([], []) == Agreement(None, None, None, None)

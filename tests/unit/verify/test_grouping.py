from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from components.verify.grouping import groups
from tests.unit.verify.rows import unit


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label)) for label in np.unique(labels)}


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.8, 1.0, 1.3, 2.0])
def test_the_groups_are_those_of_average_linkage_on_squared_distances(threshold):
    rng = np.random.default_rng(3)
    embeddings = unit(rng.normal(size=(20, 16)).repeat(6, 0) + 0.7 * rng.normal(size=(120, 16)))
    squared = ((embeddings[:, None].astype(float) - embeddings[None]) ** 2).sum(-1)
    oracle = AgglomerativeClustering(None, metric="precomputed", linkage="average", distance_threshold=threshold**2)
    assert partition(groups(embeddings, threshold)) == partition(oracle.fit_predict(squared))


def joined_by_loops(embeddings, threshold, same, different):
    """Always joins the nearest two groups that may be joined, then those that `same` connects."""

    def people(parts):
        whole = list(parts)
        for pair in same:
            touched = [part for part in whole if part & set(pair)]
            whole = [part for part in whole if part not in touched] + [frozenset().union(*touched)]
        return whole

    def allowed(parts):
        return not any(set(pair) <= person for person in people(parts) for pair in different)

    squared = ((embeddings[:, None].astype(float) - embeddings[None]) ** 2).sum(-1)
    parts = {frozenset([face]) for face in range(len(embeddings))}
    while True:
        near = []
        for one, other in combinations(parts, 2):
            distance = squared[np.ix_(sorted(one), sorted(other))].mean()
            if distance <= threshold**2 and allowed(parts - {one, other} | {one | other}):
                near.append((distance, one, other))
        if not near:
            return set(people(parts))
        _, one, other = min(near, key=lambda each: each[0])
        parts = parts - {one, other} | {one | other}


@pytest.mark.parametrize("seed", range(3))
def test_with_what_was_said_the_groups_are_those_of_a_loop_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    embeddings = unit(rng.normal(size=(4, 16)).repeat(3, 0) + 0.7 * rng.normal(size=(12, 16)))
    faces = rng.permutation(12).tolist()
    same = [*pairwise(faces[:3]), (faces[3], faces[4])]
    different = [(faces[0], faces[3]), (faces[5], faces[6]), (faces[1], faces[5]), (faces[7], faces[4])]
    for threshold in (0.8, 1.3, 2.0):
        found = partition(groups(embeddings, threshold, same, different))
        assert found == joined_by_loops(embeddings, threshold, same, different)


def test_two_photos_that_are_said_to_be_one_person_bring_their_likes_along():
    angles = np.radians([0, 1, 2, 88, 89, 90, 170, 171])
    faces = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert groups(faces, 0.3).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert groups(faces, 0.3, same=[(0, 5)]).tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def test_a_face_between_two_people_does_not_chain_them():
    angles = np.radians([0, 1, 2, 30, 58, 59, 60])
    faces = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert groups(faces, 0.55).tolist() in ([0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1])


def test_many_copies_of_faces_end_in_as_many_groups():
    rng = np.random.default_rng(5)
    embeddings = rng.permutation(unit(rng.normal(size=(7, 48))).repeat(60, 0))
    assert len(partition(groups(embeddings, 0.1))) == 7


def test_equal_faces_are_one_group_and_one_face_is_one():
    face = unit(np.ones((1, 4)))
    assert groups(face.repeat(5, 0), 0.01).tolist() == [0] * 5
    assert groups(face, 0.5).tolist() == [0]

from __future__ import annotations

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

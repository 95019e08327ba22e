"""Mining against the definition, spelled out as three loops."""

from __future__ import annotations

import numpy as np
import pytest

from components.mine_and_train.mining import count_hard_triplets, hard_triplets, squared_distances


def triple_loop(distances, labels):
    faces = range(len(labels))
    return [
        (anchor, positive, negative)
        for anchor in faces
        for positive in faces
        for negative in faces
        if anchor != positive
        and labels[anchor] == labels[positive]
        and labels[anchor] != labels[negative]
        and distances[anchor, positive] > distances[anchor, negative]
    ]


def random_round(seed, faces=30, identities=6, size=4):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(faces, size)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return squared_distances(embeddings), rng.integers(identities, size=faces)


def tied_round(seed, faces=30, identities=6):
    """Embeddings on a few corners: most distances are equal to many others."""
    rng = np.random.default_rng(seed)
    corners = np.eye(3, dtype=np.float32)[rng.integers(3, size=faces)]
    return squared_distances(corners), rng.integers(identities, size=faces)


@pytest.mark.parametrize("make", [random_round, tied_round])
@pytest.mark.parametrize("seed", range(5))
def test_hard_triplets_are_those_of_the_triple_loop(make, seed):
    distances, labels = make(seed)
    found = [tuple(triplet) for triplet in hard_triplets(distances, labels)]
    assert sorted(found) == sorted(triple_loop(distances, labels))
    assert len(found) == len(set(found)) == count_hard_triplets(distances, labels)


def test_small_chunks_find_the_same(monkeypatch):
    distances, labels = random_round(0)
    whole = hard_triplets(distances, labels)
    monkeypatch.setattr("components.mine_and_train.mining._COMPARISONS_PER_CHUNK", 64)
    np.testing.assert_array_equal(hard_triplets(distances, labels), whole)


def test_the_anchor_is_never_its_own_positive_even_among_equal_embeddings():
    distances, labels = np.zeros((6, 6), np.float32), np.array([0, 0, 0, 1, 1, 1])
    distances += np.float32(0.5) * (labels[:, None] == labels)  # negatives nearer than positives, and than oneself
    triplets = hard_triplets(distances, labels)
    assert len(triplets) == 6 * 2 * 3
    assert (triplets[:, 0] != triplets[:, 1]).all()


def test_equal_distances_are_not_hard():
    labels = np.array([0, 0, 1])
    assert len(hard_triplets(np.ones((3, 3), np.float32), labels)) == 0


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0]])
def test_without_positives_or_negatives_there_are_no_triplets(labels):
    distances, _ = random_round(0, faces=4)
    assert hard_triplets(distances, np.array(labels)).shape == (0, 3)
    assert count_hard_triplets(distances, np.array(labels)) == 0


def test_restricted_to_groups_it_finds_the_triplets_between_them():
    distances, labels = random_round(1)
    anchors, negatives = np.flatnonzero(labels < 3), np.flatnonzero(labels >= 3)
    expected = [t for t in triple_loop(distances, labels) if labels[t[0]] < 3 and labels[t[2]] >= 3]
    found = hard_triplets(distances, labels, anchors, negatives)
    assert sorted(map(tuple, found)) == sorted(expected)


def test_squared_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(20, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = ((embeddings[:, None] - embeddings) ** 2).sum(-1)
    np.testing.assert_allclose(squared_distances(embeddings), expected, atol=1e-5)
    assert (squared_distances(embeddings) >= 0).all()

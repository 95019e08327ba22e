"""The hardest triplets against a loop over all."""

from __future__ import annotations

import numpy as np
import pytest

from components.mine_and_train import hardest as module
from components.mine_and_train.hardest import hardest, hardest_triplets


def random_faces(count=30, identities=6, size=4):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(count, size)).astype(np.float32)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), rng.integers(identities, size=count)


def tied_faces(count=30, identities=6):
    """On a few corners: every distance is 0, 2 or 4, exactly."""
    rng = np.random.default_rng(0)
    corners = np.concatenate([np.eye(2), -np.eye(2)]).astype(np.float32)
    return corners[rng.integers(4, size=count)], rng.integers(identities, size=count)


def squared_distances(embeddings):
    return np.square(embeddings[:, None] - embeddings[None]).sum(axis=2)


@pytest.mark.parametrize("make", [random_faces, tied_faces])
@pytest.mark.parametrize("tiles", [(512, 1024), (7, 5)])
def test_the_farthest_positive_and_the_nearest_negative_of_every_face_are_found(make, tiles, monkeypatch):
    monkeypatch.setattr(module, "_TILE_ROWS", tiles[0])
    monkeypatch.setattr(module, "_TILE_COLUMNS", tiles[1])
    embeddings, labels = make()
    labels[0] = labels.max() + 1  # someone with one face
    distances = squared_distances(embeddings)
    found = hardest(embeddings, labels)
    for anchor in range(len(labels)):
        positives = [face for face in range(len(labels)) if face != anchor and labels[face] == labels[anchor]]
        nearest = min(distances[anchor, face] for face in range(len(labels)) if labels[face] != labels[anchor])
        assert labels[found.negative[anchor]] != labels[anchor]
        assert found.negative_distance[anchor] == pytest.approx(nearest, abs=1e-5)
        assert distances[anchor, found.negative[anchor]] == pytest.approx(nearest, abs=1e-5)
        if positives:
            farthest = max(distances[anchor, face] for face in positives)
            assert found.positive[anchor] in positives
            assert found.positive_distance[anchor] == pytest.approx(farthest, abs=1e-5)
            assert distances[anchor, found.positive[anchor]] == pytest.approx(farthest, abs=1e-5)
        else:
            assert (found.positive[anchor], found.positive_distance[anchor]) == (-1, -1)


def test_one_identity_has_no_negatives():
    found = hardest(np.eye(3, dtype=np.float32), np.zeros(3, np.int64))
    assert found.negative.tolist() == [-1, -1, -1]
    assert found.negative_distance.tolist() == [5, 5, 5]


def test_the_hardest_triplets_are_those_of_a_loop_over_all():
    embeddings, labels = random_faces(40, 8, 8)
    distances = squared_distances(embeddings)
    best = max(
        (distances[a, p] - distances[a, n], a, p, n)
        for a in range(40)
        for p in range(40)
        for n in range(40)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    )
    found = hardest_triplets(embeddings, labels, 6)
    assert (found[0].anchor, found[0].positive, found[0].negative) == best[1:]
    gaps = [hard.positive_distance - hard.negative_distance for hard in found]
    assert gaps[0] == pytest.approx(best[0], abs=1e-5)
    assert gaps == sorted(gaps, reverse=True)
    anchors = [labels[hard.anchor] for hard in found]
    shown = [row for hard in found for row in (hard.anchor, hard.positive, hard.negative)]
    assert len(set(anchors)) == len(anchors) and len(set(shown)) == len(shown)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]])
def test_faces_that_make_no_triplet_give_none(labels):
    assert hardest_triplets(np.eye(3, dtype=np.float32), np.array(labels), 6) == []

"""The score on people who are not trained on."""

from __future__ import annotations

import numpy as np

from components.evaluate.score import protocol_for, score


def embeddings_of(labels, noise, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(labels.max() + 1, 16))[labels] + noise * rng.normal(size=(len(labels), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_perfect_network_scores_one_and_a_blind_one_half():
    labels = np.repeat(np.arange(30), 5)
    protocol, sentence = protocol_for(labels, seed=0)
    assert protocol is not None
    assert "30 identities" in sentence
    perfect = score(protocol, embeddings_of(labels, 0.0))
    assert (perfect.accuracy, perfect.auc, perfect.val) == (1.0, 1.0, 1.0)
    blind = score(protocol, embeddings_of(np.arange(len(labels)), 0.0))
    assert 0.4 < blind.accuracy < 0.6
    assert 0.4 < blind.auc < 0.6
    assert blind.val < 0.05


def test_too_few_people_to_validate_on_is_said():
    protocol, sentence = protocol_for(np.zeros(5, np.int64), seed=0)
    assert protocol is None
    assert sentence.startswith("No score:")
    assert "5 faces of 1 identity" in sentence

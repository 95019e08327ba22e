from __future__ import annotations

import numpy as np

from components.mine_and_train.sampler import sample_round

LABELS = np.repeat(np.arange(10), 7)


def test_a_round_has_the_identities_and_faces_asked_for_without_repetition():
    rows = sample_round(LABELS, 4, 5, np.random.default_rng(0))
    people, counts = np.unique(LABELS[rows], return_counts=True)
    assert len(people) == 4
    assert (counts == 5).all()
    assert len(set(rows)) == 20


def test_fewer_identities_and_faces_than_asked_for_are_all_taken():
    rows = sample_round(LABELS, 100, 25, np.random.default_rng(0))
    assert sorted(rows) == list(range(70))


def test_identities_stay_together():
    labels = LABELS[sample_round(LABELS, 10, 3, np.random.default_rng(0))]
    assert (np.flatnonzero(np.diff(labels)) + 1).tolist() == list(range(3, 30, 3))

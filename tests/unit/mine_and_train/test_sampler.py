from __future__ import annotations

from itertools import islice

import numpy as np

from components.mine_and_train.sampler import sample_batches, sample_round

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


def test_a_batch_is_filled_with_identities_of_up_to_k_faces_each():
    for batch in islice(sample_batches(LABELS, 30, 4, np.random.default_rng(0)), 20):
        _, counts = np.unique(LABELS[batch], return_counts=True)
        assert len(batch) == len(set(batch)) == 30
        assert sorted(counts) == [2, 4, 4, 4, 4, 4, 4, 4]


def test_every_identity_with_two_faces_comes_once_before_any_comes_again():
    labels = np.concatenate([LABELS, [10]])  # the last has one face, and is in no pair
    batches = islice(sample_batches(labels, 8, 4, np.random.default_rng(1)), 50)
    dealt = [person for batch in batches for person in dict.fromkeys(labels[batch])]
    assert all(sorted(dealt[start : start + 10]) == list(range(10)) for start in range(0, len(dealt), 10))


def test_few_people_make_a_small_batch():
    batch = next(sample_batches(np.repeat([0, 1], 3), 32, 4, np.random.default_rng(0)))
    assert sorted(batch) == list(range(6))

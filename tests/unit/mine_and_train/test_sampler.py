from __future__ import annotations

from itertools import islice

import numpy as np

from components.mine_and_train.sampler import sample_batches, sample_evenly, sample_round

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
        assert len(batch) == len(set(batch)) and len(batch) in (29, 30)
        assert counts.min() >= 2 and counts.max() == 4


def test_an_identity_takes_a_turn_for_each_k_of_its_faces_and_five_at_most():
    sizes = [1, 2, 4, 5, 12, 300, *[8] * 30]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    turns = [0, 1, 1, 2, 3, 5, *[2] * 30]
    batches = islice(sample_batches(labels, 32, 4, np.random.default_rng(1)), 900)
    seen = np.bincount([person for batch in batches for person in set(labels[batch])], minlength=len(sizes))
    np.testing.assert_allclose(seen / seen.sum(), np.array(turns) / sum(turns), atol=0.003)


def test_the_faces_of_an_identity_are_dealt_in_turn():
    labels = np.repeat(np.arange(12), [9, 2, 7, 3, 4, 5, 30, 2, 2, 6, 8, 2])
    batches = islice(sample_batches(labels, 14, 4, np.random.default_rng(0)), 400)
    seen = np.bincount(np.concatenate(list(batches)), minlength=len(labels))
    for person in range(12):
        own = seen[labels == person]
        assert own.min() > 0.85 * own.max(), person


def test_turns_do_not_heap_up_when_everybody_is_in_every_batch():
    batches = sample_batches(np.repeat([0, 1], [40, 2]), 32, 4, np.random.default_rng(0))
    for _ in range(200):
        assert len(next(batches)) in (4, 5, 6)
    assert len(batches.gi_frame.f_locals["waiting"]) <= 12


def test_few_people_make_a_small_batch():
    batch = next(sample_batches(np.repeat([0, 1], 3), 32, 4, np.random.default_rng(0)))
    assert sorted(batch) == list(range(6))


def test_an_even_sample_has_the_first_faces_of_all_before_the_second_of_any():
    labels = np.repeat(np.arange(4), [1, 2, 50, 3])[np.random.default_rng(1).permutation(56)]
    for count, expected in ((4, [1, 1, 1, 1]), (10, [1, 2, 4, 3]), (99, [1, 2, 50, 3])):
        chosen = sample_evenly(labels, count, np.random.default_rng(0))
        assert np.bincount(labels[chosen]).tolist() == expected
        assert len(set(chosen.tolist())) == len(chosen)
    assert sample_evenly(labels, 9, np.random.default_rng(1)).tolist() != chosen[:9].tolist()

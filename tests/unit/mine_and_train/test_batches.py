"""A pass reaches every mined triplet once, and each image of a batch once."""

from __future__ import annotations

import numpy as np
import pytest

from components.common.errors import UsageError
from components.mine_and_train.batches import batches, check_batch_size
from components.mine_and_train.mining import mine
from components.mine_and_train.strategy import Strategy


def a_round(seed, identities=12, faces=5, size=4, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), faces)
    centres = rng.normal(size=(identities, size))
    embeddings = (centres[labels] + spread * rng.normal(size=(len(labels), size))).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return mine(embeddings, labels, Strategy(), np.random.default_rng(0)).triplets, labels


def as_triplets_of_the_round(batch):
    return batch.images[batch.triplets]


@pytest.mark.parametrize("spread", [1.0, 0.1])  # many hard triplets, and few
@pytest.mark.parametrize("batch_size", [10, 17, 1000])
def test_every_hard_triplet_is_in_exactly_one_batch(spread, batch_size):
    triplets, labels = a_round(0, spread=spread)
    passed = [
        tuple(triplet)
        for batch in batches(triplets, labels, batch_size, np.random.default_rng(0))
        for triplet in as_triplets_of_the_round(batch)
    ]
    assert sorted(passed) == sorted(map(tuple, triplets.to_triplets()))


def test_a_batch_holds_unique_images_up_to_its_size_and_no_image_without_a_triplet():
    triplets, labels = a_round(1)
    for batch in batches(triplets, labels, 20, np.random.default_rng(0)):
        assert len(batch.images) <= 20
        assert len(set(batch.images)) == len(batch.images)
        assert set(np.unique(batch.triplets)) == set(range(len(batch.images)))


def test_batches_do_not_depend_on_how_runs_lie():
    triplets, labels = a_round(1)
    apart = triplets.select(np.arange(len(triplets)))
    assert len(apart.negatives) > 2 * len(triplets.negatives)
    for one, other in zip(
        *(batches(runs, labels, 20, np.random.default_rng(0)) for runs in (triplets, apart)), strict=True
    ):
        np.testing.assert_array_equal(as_triplets_of_the_round(one), as_triplets_of_the_round(other))


def test_few_triplets_share_a_batch():
    triplets, labels = a_round(2, spread=0.1)
    pushed = sum(len(batch.images) for batch in batches(triplets, labels, 20, np.random.default_rng(0)))
    assert 0 < pushed <= 3 * len(triplets)


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    triplets, labels = a_round(3)
    one, same, other = (
        [as_triplets_of_the_round(batch).tolist() for batch in batches(triplets, labels, 20, np.random.default_rng(s))]
        for s in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_a_pass_cut_short_takes_every_triplet_with_about_the_same_chance():
    triplets, labels = a_round(4, identities=8, faces=4)
    taken = dict.fromkeys(map(tuple, triplets.to_triplets().tolist()), 0)
    trials = 1500
    for seed in range(trials):
        first = next(batches(triplets, labels, 16, np.random.default_rng(seed)))
        for triplet in as_triplets_of_the_round(first).tolist():
            taken[tuple(triplet)] += 1
    share = np.array(list(taken.values())) / trials
    assert share.min() > 0.5 * share.mean()
    assert share.max() < 2 * share.mean()


def test_a_batch_too_small_for_two_identities_is_refused():
    with pytest.raises(UsageError, match="batch_size=49, faces_per_identity=25"):
        check_batch_size(49, 25)
    check_batch_size(50, 25)

"""Mining against the definitions, spelled out as three loops."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from components.mine_and_train import mining
from components.mine_and_train.mining import mine
from components.mine_and_train.strategy import Strategy

MARGIN = 0.2
STRATEGIES = [
    Strategy(positives, negatives, MARGIN)
    for positives, negatives in itertools.product(["all", "hard", "easy"], ["hard", "semi-hard", "easy", "all"])
]


def squared_distances(embeddings):
    return np.maximum(2 - 2 * (embeddings @ embeddings.T), 0)


def positives_of(anchor, distances, labels, which):
    others = [face for face in range(len(labels)) if face != anchor and labels[face] == labels[anchor]]
    if which == "all" or not others:
        return others
    pick = max if which == "hard" else min
    return [pick(others, key=lambda face: distances[anchor, face])]  # the first of equals


def takes(to_positive, to_negative, strategy):
    margin = np.float32(strategy.margin)
    return {
        "hard": to_negative < to_positive,
        "semi-hard": to_positive <= to_negative < to_positive + margin,
        "random-violating": to_negative < to_positive + margin,
        "easy": to_negative >= to_positive + margin,
        "all": True,
    }[strategy.negatives]


def triple_loop(embeddings, labels, strategy):
    distances = squared_distances(embeddings)
    return [
        (anchor, positive, negative)
        for anchor in range(len(labels))
        for positive in positives_of(anchor, distances, labels, strategy.positives)
        for negative in range(len(labels))
        if labels[negative] != labels[anchor]
        and takes(distances[anchor, positive], distances[anchor, negative], strategy)
    ]


def random_round(seed, faces=30, identities=6, size=4):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(faces, size)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings, rng.integers(identities, size=faces)


def tied_round(seed, faces=30, identities=6):
    """Embeddings on a few corners: every distance is 0, 2 or 4, exactly."""
    rng = np.random.default_rng(seed)
    corners = np.concatenate([np.eye(2), -np.eye(2)]).astype(np.float32)
    return corners[rng.integers(4, size=faces)], rng.integers(identities, size=faces)


def mined(embeddings, labels, strategy, seed=0, limit=None):
    found = mine(embeddings, labels, strategy, np.random.default_rng(seed), limit)
    return [tuple(triplet) for triplet in found.triplets.to_triplets().tolist()], found.total


@pytest.mark.parametrize(("make", "margin"), [(random_round, MARGIN), (tied_round, MARGIN), (tied_round, 2.0)])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: f"{one.positives}-{one.negatives}")
def test_every_strategy_finds_the_triplets_of_the_triple_loop(make, margin, strategy):
    strategy = replace(strategy, margin=margin)  # 2: negatives lie on the margin's end, exactly
    for seed in range(3):
        embeddings, labels = make(seed)
        triplets, found = mined(embeddings, labels, strategy)
        assert sorted(triplets) == triple_loop(embeddings, labels, strategy)
        assert len(triplets) == found > 0


@pytest.mark.parametrize("strategy", [*STRATEGIES, Strategy("all", "random-violating", MARGIN)], ids=repr)
def test_there_are_never_more_negatives_kept_than_triplets(strategy):
    embeddings, labels = random_round(0)
    for limit in (None, 7):
        triplets = mine(embeddings, labels, strategy, np.random.default_rng(0), limit).triplets
        assert len(triplets.negatives) == len(triplets.owner) <= len(triplets)


def test_pairs_of_an_anchor_share_its_negatives():
    embeddings, labels = random_round(0)
    triplets = mine(embeddings, labels, Strategy("all", "all"), np.random.default_rng(0)).triplets
    different = {(anchor, negative) for anchor, _, negative in triplets.to_triplets().tolist()}
    assert sorted(zip(triplets.owner.tolist(), triplets.negatives.tolist(), strict=True)) == sorted(different)


def test_hard_semi_hard_and_easy_share_all_negatives_between_them():
    embeddings, labels = tied_round(0)
    parts = [mined(embeddings, labels, Strategy("all", kind, MARGIN))[0] for kind in ("hard", "semi-hard", "easy")]
    assert sorted(itertools.chain(*parts)) == sorted(mined(embeddings, labels, Strategy("all", "all", MARGIN))[0])


@pytest.mark.parametrize("make", [random_round, tied_round])
@pytest.mark.parametrize("positives", ["all", "hard", "easy"])
def test_random_violating_draws_one_violating_negative_of_each_pair_that_has_one(make, positives):
    embeddings, labels = make(1)
    strategy = Strategy(positives, "random-violating", MARGIN)
    violating = triple_loop(embeddings, labels, strategy)
    triplets, found = mined(embeddings, labels, strategy)
    assert set(triplets) <= set(violating)
    pairs = [triplet[:2] for triplet in triplets]
    assert sorted(pairs) == sorted({triplet[:2] for triplet in violating})
    assert found == len(pairs)


def test_random_violating_draws_every_violating_negative_alike_and_by_its_seed():
    labels = np.array([0, 0, 1, 1, 1, 2])
    embeddings = np.eye(6, dtype=np.float32)  # all distances are 2, all negatives violate
    strategy = Strategy("all", "random-violating", MARGIN)
    draws = [mined(embeddings, labels, strategy, seed)[0] for seed in range(600)]
    assert draws[7] == mined(embeddings, labels, strategy, 7)[0]
    counts = np.bincount([negative for draw in draws for anchor, _, negative in draw if anchor == 0], minlength=6)
    np.testing.assert_array_equal(counts[:2], 0)
    np.testing.assert_allclose(counts[2:], 150, atol=5 * np.sqrt(150 * 3 / 4))  # five standard deviations


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: f"{one.positives}-{one.negatives}")
def test_the_anchor_is_never_its_own_positive_even_among_equal_embeddings(strategy):
    embeddings = np.tile(np.array([[1, 0]], np.float32), (6, 1))
    triplets, _ = mined(embeddings, np.array([0, 0, 0, 1, 1, 1]), strategy)
    assert all(anchor != positive for anchor, positive, _ in triplets)
    assert bool(triplets) == (strategy.negatives in ("semi-hard", "all"))  # equally far is semi-hard


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 0, 0]])
@pytest.mark.parametrize("negatives", ["hard", "semi-hard", "random-violating", "easy", "all"])
def test_without_positives_or_negatives_there_are_no_triplets(labels, negatives):
    embeddings, _ = random_round(0, faces=4)
    found = mine(embeddings, np.array(labels), Strategy("all", negatives, 4.0), np.random.default_rng(0))
    assert found.triplets.to_triplets().shape == (0, 3)
    assert len(found.triplets) == found.total == 0


def test_an_anchor_without_such_a_negative_is_in_no_triplet():
    embeddings = np.array([[1, 0], [1, 0], [-1, 0], [0, 1]], np.float32)  # 0 and 1 are one point, far from the others
    labels = np.array([0, 0, 1, 1])
    triplets, _ = mined(embeddings, labels, Strategy("all", "semi-hard", MARGIN))
    assert {anchor for anchor, _, _ in triplets} == {3}  # as far from 2 as from 0 and 1


@pytest.mark.parametrize("limit", [None, 100])
def test_small_chunks_find_the_same(limit, monkeypatch):
    embeddings, labels = random_round(0)
    whole = mined(embeddings, labels, Strategy(), limit=limit)
    monkeypatch.setattr(mining, "_ANCHORS_PER_BLOCK", 1)
    assert mined(embeddings, labels, Strategy(), limit=limit) == whole


def test_a_limit_not_below_what_there_is_changes_nothing():
    embeddings, labels = random_round(0)
    whole, found = mined(embeddings, labels, Strategy())
    assert mined(embeddings, labels, Strategy(), limit=found) == (whole, found)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_beyond_the_limit_every_triplet_is_as_likely_to_be_kept(share):
    embeddings, labels = random_round(3, faces=12, identities=3)
    whole, found = mined(embeddings, labels, Strategy())
    limit, runs = int(found * share), 400
    kept = dict.fromkeys(whole, 0)
    for seed in range(runs):
        sample, told = mined(embeddings, labels, Strategy(), seed, limit)
        assert told == found
        assert set(sample) <= set(whole)
        assert len(set(sample)) == len(sample) == limit
        for triplet in sample:
            kept[triplet] += 1
    likely = limit / found
    np.testing.assert_allclose(list(kept.values()), runs * likely, atol=5 * np.sqrt(runs * likely * (1 - likely)))


def test_a_sample_is_drawn_by_its_seed():
    embeddings, labels = random_round(3)
    one, again, other = (mined(embeddings, labels, Strategy(), seed, limit=100)[0] for seed in (1, 1, 2))
    assert one == again
    assert set(one) != set(other)


def test_shares_add_up_and_are_the_exact_ones_on_average_whatever_the_numbers():
    counts = np.array([3, 0, 5, 2])
    shares = np.array([np.diff(mining._shares(counts, 7, offset)) for offset in range(10)])
    assert (shares.sum(axis=1) == 7).all() and (shares <= counts).all()
    np.testing.assert_allclose(shares.mean(axis=0), 7 * counts / 10)
    billions = np.array([3 * 10**12, 10**12])
    assert mining._shares(billions, 10**7, 0).tolist() == [0, 7_500_000, 10_000_000]


def test_a_sample_of_random_negatives_is_one_of_those_drawn():
    embeddings, labels = random_round(2)
    strategy = Strategy("all", "random-violating", MARGIN)
    whole, found = mined(embeddings, labels, strategy, seed=5)
    sample, _ = mined(embeddings, labels, strategy, seed=5, limit=found // 2)
    assert set(sample) < set(whole)

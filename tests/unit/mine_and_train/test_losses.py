"""The triplet loss inside a batch equals the loss on what `mine` finds there."""

from __future__ import annotations

import itertools
from typing import get_args, get_type_hints

import numpy as np
import pytest
import tensorflow as tf

from components.mine_and_train.losses.contrastive import contrastive_loss
from components.mine_and_train.losses.loss import mean_over_members
from components.mine_and_train.losses.online_triplet import online_triplet_loss
from components.mine_and_train.losses.triplet import triplet_loss
from components.mine_and_train.mining import mine
from components.mine_and_train.strategy import Strategy

NAMES = ("positives", "negatives")
SEED = tf.constant([1, 2], tf.int32)
STRATEGIES = [
    Strategy(positives, negatives, 0.2)
    for positives, negatives in itertools.product(("all", "hard", "easy"), ("hard", "semi-hard", "easy", "all"))
]


def unit_vectors(labels, size, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(labels.max() + 1, size))[labels] + noise * rng.normal(size=(len(labels), size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def squared(vectors, one, other):
    return np.sum((vectors[one] - vectors[other]) ** 2, axis=-1)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: f"{strategy.positives}-{strategy.negatives}")
def test_the_batch_holds_the_triplets_that_mining_finds(strategy):
    labels = np.repeat(np.arange(6), 4)
    vectors = unit_vectors(labels, 8, seed=3)
    triplets = mine(vectors, labels, strategy, np.random.default_rng(0)).triplets.to_triplets()
    anchor, positive, negative = triplets.T
    d_positive, d_negative = squared(vectors, anchor, positive), squared(vectors, anchor, negative)
    losses = np.maximum(d_positive - d_negative + 0.2, 0)
    seen = online_triplet_loss(strategy)(tf.constant(vectors), tf.constant(labels, tf.int32), SEED)
    assert int(seen.terms) == len(triplets) > 0
    np.testing.assert_allclose(seen.loss, losses.mean(), atol=1e-5)
    np.testing.assert_allclose(seen.positive, d_positive.mean(), atol=1e-5)
    np.testing.assert_allclose(seen.negative, d_negative.mean(), atol=1e-5)
    np.testing.assert_allclose(seen.active, (losses > 0).sum() / (24 * 3 * 20), atol=1e-6)
    spread = squared(vectors, np.arange(24)[:, None], np.arange(24)[None]).mean()
    np.testing.assert_allclose(seen.spread, spread, atol=1e-5)


@pytest.mark.parametrize("margin", [0.0, 2.0])
def test_the_batch_holds_the_triplets_that_mining_finds_where_distances_are_equal(margin):
    """Every distance is 0 or 2, so all lie at the ends of what a strategy takes."""
    labels = np.repeat(np.arange(4), 3)
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3, 2, 2, 2, 3, 0, 3]]
    for positives, negatives in itertools.product(*(get_args(get_type_hints(Strategy)[name]) for name in NAMES)):
        strategy = Strategy(positives, negatives, margin)
        mined = mine(vectors, labels, strategy, np.random.default_rng(0)).triplets
        seen = online_triplet_loss(strategy)(tf.constant(vectors), tf.constant(labels, tf.int32), SEED)
        assert int(seen.terms) == len(mined), strategy


def test_a_random_violating_negative_is_one_for_each_pair_that_has_any():
    labels = np.repeat(np.arange(6), 4)
    vectors = unit_vectors(labels, 8, seed=3)
    every = mine(vectors, labels, Strategy("all", "hard", 0.2), np.random.default_rng(0)).triplets.to_triplets()
    semi = mine(vectors, labels, Strategy("all", "semi-hard", 0.2), np.random.default_rng(0)).triplets.to_triplets()
    pairs = {tuple(row[:2]) for row in np.concatenate([every, semi]).tolist()}
    loss = online_triplet_loss(Strategy("all", "random-violating", 0.2))
    seen = [loss(tf.constant(vectors), tf.constant(labels, tf.int32), tf.constant([0, n])) for n in range(3)]
    assert {int(one.terms) for one in seen} == {len(pairs)}
    assert all(float(one.loss) > 0 for one in seen)
    assert len({float(one.loss) for one in seen}) == 3, "another seed draws other negatives"


def test_a_batch_without_such_a_triplet_has_no_loss_and_a_finite_gradient():
    labels = np.repeat(np.arange(3), 2)
    vectors = tf.Variable(np.eye(3, dtype=np.float32)[labels])
    with tf.GradientTape() as tape:
        seen = online_triplet_loss(Strategy("all", "hard", 0.2))(vectors, tf.constant(labels, tf.int32), SEED)
    assert float(seen.loss) == 0
    assert float(seen.terms) == 0
    np.testing.assert_array_equal(tape.gradient(seen.loss, vectors), 0)


def test_the_loss_of_mined_triplets_is_the_mean_of_the_hinge():
    labels = np.repeat(np.arange(5), 3)
    vectors = unit_vectors(labels, 8, seed=5)
    triplets = mine(vectors, labels, Strategy("all", "all", 0.2), np.random.default_rng(0)).triplets.to_triplets()
    anchor, positive, negative = triplets.T
    hinge = np.maximum(squared(vectors, anchor, positive) - squared(vectors, anchor, negative) + 0.2, 0)
    seen = triplet_loss(0.2)(tf.constant(vectors), tf.constant(triplets), SEED)
    np.testing.assert_allclose(seen.loss, hinge.mean(), atol=1e-5)
    np.testing.assert_allclose(seen.active, (hinge > 0).mean(), atol=1e-6)


def test_the_contrastive_loss_is_the_cross_entropy_of_finding_each_positive():
    labels = np.array([0, 0, 0, 1, 1, 2])  # the last has no positive
    vectors = unit_vectors(labels, 8, seed=6)
    terms = []
    for anchor in range(5):
        others = [face for face in range(6) if face != anchor]
        logits = {face: vectors[anchor] @ vectors[face] / 0.1 for face in others}
        total = np.log(sum(np.exp(logit) for logit in logits.values()))
        terms.append(np.mean([total - logits[face] for face in others if labels[face] == labels[anchor]]))
    seen = contrastive_loss(0.1)(tf.constant(vectors), tf.constant(labels, tf.int32), SEED)
    np.testing.assert_allclose(seen.loss, np.mean(terms), rtol=1e-4)
    pairs = [(a, p) for a in range(5) for p in range(5) if a != p and labels[a] == labels[p]]
    nearest = [min(squared(vectors, a, n) for n in range(6) if labels[n] != labels[a]) for a, _ in pairs]
    beaten = np.mean([squared(vectors, a, p) > least for (a, p), least in zip(pairs, nearest, strict=True)])
    np.testing.assert_allclose(seen.active, beaten, atol=1e-6)
    assert int(seen.terms) == len(pairs)


def test_the_loss_of_members_is_the_mean_of_what_each_would_have_alone():
    labels = np.repeat(np.arange(6), 4)
    parts = [unit_vectors(labels, 8, seed) for seed in (3, 4)]
    loss, targets = contrastive_loss(0.1), tf.constant(labels, tf.int32)
    seen = mean_over_members(loss, 2)(tf.constant(np.concatenate(parts, axis=1) / 2**0.5), targets, SEED)
    alone = [loss(tf.constant(part), targets, SEED) for part in parts]
    assert float(alone[0].loss) != pytest.approx(float(alone[1].loss), rel=1e-3)
    np.testing.assert_allclose(seen, np.mean(alone, axis=0), rtol=1e-5)


def test_a_member_learns_nothing_from_the_others():
    labels = np.repeat(np.arange(6), 4)
    vectors = tf.constant(np.concatenate([unit_vectors(labels, 8, seed) for seed in (3, 4)], axis=1))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        joint = tf.math.l2_normalize(vectors, axis=1)
        loss = mean_over_members(contrastive_loss(0.1), 2)(joint, tf.constant(labels, tf.int32), SEED).loss
    both = tape.gradient(loss, vectors).numpy()
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        alone = tf.math.l2_normalize(vectors[:, :8], axis=1)
        loss = contrastive_loss(0.1)(alone, tf.constant(labels, tf.int32), SEED).loss
    np.testing.assert_allclose(both[:, :8], tape.gradient(loss, vectors).numpy()[:, :8] / 2, atol=1e-5)

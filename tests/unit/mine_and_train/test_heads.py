"""The classification losses against their papers' formulas, with angles, in NumPy; and who takes part in a step."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UsageError
from components.mine_and_train.centres import SampledStep, choose
from components.mine_and_train.heads import Classification, Head, first_centres, memory_of_head
from components.mine_and_train.losses.classification import classification_loss
from components.mine_and_train.optimizer import Optimization, optimizer_for

LABELS = np.array([0, 1, 2, 3, 0, 1], np.int32)
SEED = tf.constant([0, 0])
SAMPLED = Classification("cosface", 0.2, 8.0, 2, 0.4)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def expected_loss(features, labels, centres, how, quality):
    """Of features [n, size] and centres [identities, subcentres, size]; quality [n] is adaface's, from -1 to 1."""
    losses = []
    for vector, label, of_usual in zip(unit(features), labels, quality, strict=True):
        cosines = [max(float(vector @ centre) for centre in own) for own in unit(centres)]
        angle = np.arccos(cosines[label])
        if how.head == "cosface":
            cosines[label] -= how.margin
        elif how.head == "adaface":  # eq. 14 to 16
            cosines[label] = np.cos(np.clip(angle - how.margin * of_usual, 0, np.pi))
            cosines[label] -= how.margin * of_usual + how.margin
        elif how.head == "arcface" and angle + how.margin < np.pi:
            cosines[label] = np.cos(angle + how.margin)
        elif how.head == "arcface":
            cosines[label] -= how.margin * np.sin(how.margin)
        logits = how.scale * np.array(cosines)
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label])
    return np.mean(losses)


def expected_quality(batches):
    """Of the last batch's lengths: by the means and deviations of all batches, each counting 0.99 of the one after."""
    weights = 0.99 ** np.arange(len(batches))[::-1]
    mean = np.average([batch.mean() for batch in batches], weights=weights)
    deviation = np.average([batch.std() for batch in batches], weights=weights)
    return np.clip((batches[-1] - mean) / (deviation / 0.333), -1, 1)


def slope(function, at):
    """The gradient of a function of an array, by central differences."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-5
        gradient[place] = (function(at + step) - function(at - step)) / 2e-5
    return gradient


@pytest.mark.parametrize("subcentres", [1, 3])
@pytest.mark.parametrize(
    ("kind", "margin"), [("softmax", 0.4), ("arcface", 0.5), ("arcface", 0.0), ("cosface", 0.35), ("adaface", 0.4)]
)
def test_a_head_and_its_gradients_are_its_formula_beyond_pi_too(kind, margin, subcentres):
    rng = np.random.default_rng(0)
    how = Classification(kind, margin, 16.0, subcentres)
    head = Head(how, first_centres(4, subcentres, 5, 0))
    centres = head.centres.numpy().astype(np.float64)
    features = rng.normal(size=(6, 5)) * rng.uniform(1, 5, (6, 1))
    features[0] = -centres[0, 0] + 0.02 * rng.normal(size=5)  # opposite its centre: the angle and a margin exceed pi
    features[1] = centres[1, 0] + 0.02 * rng.normal(size=5)  # and here the angle is less than adaface takes off
    seen = []
    for batch in (2 * features, 0.9 * features, features):
        seen.append(np.linalg.norm(batch, axis=1))
        moved = tf.Variable(batch, dtype=tf.float32)
        with tf.GradientTape() as tape:
            told = classification_loss(head)(moved, tf.constant(LABELS), SEED)
        of_features, of_centres = tape.gradient(told.loss, [moved, head.centres.value])
    quality = expected_quality(seen)
    assert abs(quality).max() > 0.3
    np.testing.assert_allclose(told.loss, expected_loss(features, LABELS, centres, how, quality), rtol=1e-4)
    wanted = slope(lambda at: expected_loss(at, LABELS, centres, how, quality), features)
    np.testing.assert_allclose(of_features, wanted, rtol=1e-3, atol=1e-3)
    wanted = slope(lambda at: expected_loss(features, LABELS, at, how, quality), centres)
    np.testing.assert_allclose(of_centres, wanted, rtol=1e-3, atol=1e-3)


def test_a_classification_tells_the_distances_to_the_nearest_centres():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(6, 8))
    head = Head(Classification("softmax", subcentres=2), first_centres(4, 2, 8, 0))
    seen = classification_loss(head)(tf.constant(features), tf.constant(LABELS), SEED)
    squares = ((unit(features)[:, None, None] - unit(head.centres.numpy())) ** 2).sum(axis=-1).min(axis=-1)
    own = np.arange(4) == LABELS[:, None]
    np.testing.assert_allclose(seen.positive, squares[own].mean(), atol=1e-5)
    np.testing.assert_allclose(seen.negative, squares[~own].mean(), atol=1e-5)
    assert float(seen.active) == pytest.approx(np.mean(squares.argmin(axis=1) != LABELS))


@pytest.mark.parametrize("kind", ["arcface", "adaface"])
@pytest.mark.parametrize("sign", [1, -1])
def test_gradients_are_finite_on_the_centre_and_opposite_it(kind, sign):
    head = Head(Classification(kind, 0.5, 16.0), first_centres(3, 1, 4, 0))
    vectors = tf.Variable(sign * unit(head.centres.numpy()[:, 0]))  # all of one length: no deviation
    with tf.GradientTape() as tape:
        loss = classification_loss(head)(vectors, tf.constant([0, 1, 2]), SEED).loss
    for gradient in tape.gradient(loss, [vectors, head.centres.value]):
        assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize(
    ("wrong", "flag"),
    [
        (Classification("arcface", 2.0), "--class_margin of arcface"),
        (Classification("adaface", 1.2), "--class_margin of adaface"),
        (Classification("cosface", -0.1), "--class_margin of cosface"),
        (Classification(subcentres=0), "--class_subcentres"),
        (Classification(sample_rate=0.0), "--class_sample_rate"),
        (Classification(sample_rate=1.1), "--class_sample_rate"),
    ],
)
def test_numbers_outside_their_range_are_refused(wrong, flag):
    with pytest.raises(UsageError, match=flag):
        wrong.check()


def sampled(optimization, identities=10, chosen=4):
    """A sampled step that moves centres alone, by features in the place of images."""
    table = first_centres(identities, SAMPLED.subcentres, 5, 0)
    head = Head(SAMPLED, table[:chosen])
    loss, optimizer = classification_loss(head), optimizer_for(optimization, [head.centres])

    def step(features, labels, seed):
        with tf.GradientTape() as tape:
            measured = loss(tf.constant(features), tf.constant(labels), seed)
        optimizer.apply(tape.gradient(measured.loss, [head.centres.value]), [head.centres])
        return measured

    return SampledStep(step, head.centres, optimizer, table)


def test_only_those_chosen_move_and_as_the_optimiser_moves_them():
    step = sampled(Optimization("sgd", 0.05, momentum=0.9))
    rng = np.random.default_rng(0)
    centres, momentum = (table.astype(np.float64) for table in step.tables)
    for number in range(4):
        features, labels = rng.normal(size=(3, 5)), rng.integers(10, size=3)
        seed = np.array([number, 7], np.int32)
        before = [table.copy() for table in step.tables]
        measured = step(features.astype(np.float32), labels.astype(np.int32), seed)
        chosen = choose(10, 4, labels, seed)
        places = np.searchsorted(chosen, labels)
        of_chosen = lambda at: expected_loss(features, places, at, SAMPLED, np.zeros(3))  # noqa: B023, E731
        np.testing.assert_allclose(measured.loss, of_chosen(centres[chosen]), rtol=1e-4)
        momentum[chosen] = 0.9 * momentum[chosen] - 0.05 * slope(of_chosen, centres[chosen])
        centres[chosen] += momentum[chosen]
        others = np.delete(np.arange(10), chosen)
        for table, former, wanted in zip(step.tables, before, (centres, momentum), strict=True):
            np.testing.assert_allclose(table, wanted, atol=1e-5)
            np.testing.assert_array_equal(table[others], former[others])


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adamw", "adagrad", "sgd", "muon"])
def test_the_tables_are_as_large_as_is_said_before(optimizer):
    optimization = Optimization(optimizer, 0.01, ema=0.9)
    held, _ = memory_of_head(SAMPLED, 10, 5, 3, optimization.kept)
    assert sum(table.nbytes for table in sampled(optimization).tables) == held


def test_everybody_with_a_face_is_chosen_and_the_others_are_as_likely():
    labels, runs = np.array([7, 2, 7]), 600
    times = np.zeros(10)
    for number in range(runs):
        chosen = choose(10, 5, labels, np.array([number, 1], np.int32))
        assert (np.diff(chosen) > 0).all() and len(chosen) == 5
        times[chosen] += 1
    assert (times[[2, 7]] == runs).all()
    share = 3 / 8
    assert abs(np.delete(times, [2, 7]) / runs - share).max() < 5 * np.sqrt(share * (1 - share) / runs)

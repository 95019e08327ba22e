"""The classification losses against their formulas, with angles."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UsageError
from components.mine_and_train.heads import Classification, Head


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def expected_loss(vectors, labels, centres, kind, margin, scale):
    losses = []
    for vector, label in zip(vectors, labels, strict=True):
        cosines = [float(vector @ centre) for centre in centres]
        angle = np.arccos(cosines[label])
        if kind == "cosface":
            cosines[label] -= margin
        elif kind == "arcface" and angle + margin < np.pi:
            cosines[label] = np.cos(angle + margin)
        elif kind == "arcface":
            cosines[label] -= margin * np.sin(margin)
        logits = scale * np.array(cosines)
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label])
    return np.mean(losses)


@pytest.mark.parametrize(("kind", "margin"), [("softmax", 0.4), ("arcface", 0.5), ("cosface", 0.35), ("arcface", 0.0)])
def test_a_head_is_its_formula_beyond_pi_too(kind, margin):
    rng = np.random.default_rng(0)
    head = Head(Classification(kind, margin, 16.0), 4, 5, 0)
    centres = unit(head.centres.numpy().T)
    labels = np.array([0, 1, 2, 3, 0, 1], np.int32)
    vectors = unit(rng.normal(size=(6, 5)))
    vectors[0] = unit(-centres[:1] + 0.02 * rng.normal(size=5))[0]  # nearly opposite its centre: angle + margin > pi
    loss, accuracy = head(tf.constant(vectors), tf.constant(labels))
    np.testing.assert_allclose(loss, expected_loss(vectors, labels, centres, kind, margin, 16.0), rtol=1e-4)
    assert float(accuracy) == pytest.approx(np.mean((vectors @ centres.T).argmax(1) == labels))


@pytest.mark.parametrize("sign", [1, -1])
def test_gradients_are_finite_on_the_centre_and_opposite_it(sign):
    head = Head(Classification("arcface", 0.5, 16.0), 3, 4, 0)
    vectors = tf.Variable(sign * unit(head.centres.numpy().T))
    with tf.GradientTape() as tape:
        loss, _ = head(vectors, tf.constant([0, 1, 2]))
    for gradient in tape.gradient(loss, [vectors, head.centres.value]):
        assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("wrong", [Classification("arcface", 2.0), Classification("cosface", -0.1)])
def test_margins_outside_their_range_are_refused(wrong):
    with pytest.raises(UsageError, match=f"--class_margin of {wrong.head}"):
        wrong.check()

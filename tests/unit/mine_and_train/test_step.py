"""The loss and the step against NumPy, on TensorFlow itself."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from components.mine_and_train.step import augmented, training_step, triplet_loss


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_loss_is_the_mean_hinge_over_triplets():
    rng = np.random.default_rng(0)
    embeddings = unit(rng.normal(size=(9, 5)))
    triplets = rng.integers(9, size=(40, 3)).astype(np.int32)
    anchor, positive, negative = (embeddings[triplets[:, column]] for column in range(3))
    ap, an = ((anchor - positive) ** 2).sum(1), ((anchor - negative) ** 2).sum(1)
    expected = np.maximum(ap - an + 0.2, 0).mean(), ap.mean(), an.mean()
    np.testing.assert_allclose(triplet_loss(tf.constant(embeddings), tf.constant(triplets), 0.2), expected, atol=1e-5)


def test_the_gradient_is_that_of_three_separate_embeddings():
    rng = np.random.default_rng(1)
    embeddings = tf.Variable(unit(rng.normal(size=(6, 4))))
    triplets = tf.constant(rng.permuted(np.tile(np.arange(6), (10, 1)), axis=1)[:, :3].astype(np.int32))
    with tf.GradientTape(persistent=True) as tape:
        loss, _, _ = triplet_loss(embeddings, triplets, 0.5)
        anchor, positive, negative = (tf.gather(embeddings, triplets[:, column]) for column in range(3))
        # 2 - 2ab, as for unit vectors: off the sphere the two forms differ, and with them the radial gradient.
        plain = tf.reduce_mean(
            tf.maximum(2 * tf.reduce_sum(anchor * negative, 1) - 2 * tf.reduce_sum(anchor * positive, 1) + 0.5, 0)
        )
    dense = tf.convert_to_tensor(tape.gradient(plain, embeddings))
    np.testing.assert_allclose(tape.gradient(loss, embeddings), dense, atol=1e-6)


def test_mirroring_is_left_to_right_of_about_half_the_images_and_repeatable():
    images = tf.constant(np.random.default_rng(0).uniform(size=(200, 6, 6, 3)).astype(np.float32))
    once, again = augmented(images, [1, 2], 0.0).numpy(), augmented(images, [1, 2], 0.0).numpy()
    np.testing.assert_array_equal(once, again)
    kept, mirrored = (
        np.isclose(once, expected, atol=1e-5).all(axis=(1, 2, 3))
        for expected in (images.numpy(), images.numpy()[:, :, ::-1])
    )
    assert (kept ^ mirrored).all()
    assert 60 < kept.sum() < 140


def test_steps_lower_the_loss():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Dense(8)(keras.layers.Flatten()(images))
    network = keras.Model(images, keras.layers.UnitNormalization(axis=-1)(x))
    step = training_step(network, keras.optimizers.RMSprop(0.01), margin=0.2, jitter=0.05)
    rng = np.random.default_rng(0)
    people = rng.integers(256, size=(3, 8, 8, 3))
    faces = np.clip(people.repeat(4, axis=0) + rng.normal(0, 60, (12, 8, 8, 3)), 0, 255).astype(np.uint8)
    triplets = [
        (a, p, n) for a in range(12) for p in range(12) for n in range(12) if a // 4 == p // 4 != n // 4 and a != p
    ]
    losses = [step(tf.constant(faces), tf.constant(triplets, tf.int32), tf.constant([0, i]))[0] for i in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_jitter_moves_a_dot_by_no_more_than_its_fraction():
    images = np.zeros((50, 40, 40, 3), np.float32)
    images[:, 19:21, 19:21] = 1
    moved = augmented(tf.constant(images), [3, 4], 0.1).numpy()[..., 0]
    rows, columns = (moved.sum(axis) @ np.arange(40) / moved.sum((1, 2)) for axis in (2, 1))
    for centre in (rows, columns):
        assert np.abs(centre - 19.5).max() < 0.1 * 40 + 0.5
        assert np.ptp(centre) > 4

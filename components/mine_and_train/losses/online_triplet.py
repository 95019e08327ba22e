"""The triplet loss on the triplets that are found inside each batch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.losses.loss import Loss, StepMetrics, pairwise_distances, spread
from components.mine_and_train.strategy import Strategy


def build(how: Hyperparameters) -> Loss:
    """The loss on the triplets of `--positives` and `--negatives`."""
    return online_triplet_loss(how.strategy)


def online_triplet_loss(strategy: Strategy) -> Loss:
    """The triplet loss on the triplets that a strategy finds inside the batch (Hermans et al., 2017, section 2).

    The targets are LABELS. Triplets are those that `mining.mine` finds: the rule of negatives is one, the strategy's;
    that of positives stands there in NumPy and here in TensorFlow, and a test holds both together. A batch without such
    a triplet has the loss 0.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> StepMetrics:
        distances = pairwise_distances(embeddings)
        pairs = _pairs(distances, labels, strategy.positives)
        positive = tf.gather_nd(distances, pairs)[:, None]
        negative = tf.gather(distances, pairs[:, 0])
        different = labels[:, None] != labels[None]
        candidates = tf.gather(different, pairs[:, 0])
        low, high = strategy.bounds(positive)
        taken = candidates & (negative >= low) & (negative < high)
        if strategy.negatives == "random-violating":
            taken = _one_of_each(taken, seed)
        chosen = tf.cast(taken, tf.float32)
        losses = tf.maximum(positive - negative + strategy.margin, 0.0) * chosen
        count = tf.reduce_sum(chosen)
        every = tf.reduce_sum(tf.cast(tf.gather(different, _pairs(distances, labels, "all")[:, 0]), tf.float32))
        return StepMetrics(
            tf.math.divide_no_nan(tf.reduce_sum(losses), count),
            tf.math.divide_no_nan(tf.reduce_sum(positive * chosen), count),
            tf.math.divide_no_nan(tf.reduce_sum(negative * chosen), count),
            tf.math.divide_no_nan(tf.reduce_sum(tf.cast(losses > 0, tf.float32)), every),
            count,
            spread(embeddings),
        )

    return loss


def _pairs(distances: Any, labels: Any, positives: str) -> Any:
    """int64 [m, 2]: anchors and their positives."""
    rows = tf.shape(labels)[0]
    same = (labels[:, None] == labels[None]) & ~tf.eye(rows, dtype=tf.bool)  # a face is never its own positive
    if positives == "all":
        return tf.where(same)
    anchors = tf.where(tf.reduce_any(same, axis=1))[:, 0]
    if positives == "hard":
        chosen = tf.argmax(tf.where(same, distances, -1.0), axis=1)
    else:
        chosen = tf.argmin(tf.where(same, distances, 5.0), axis=1)
    return tf.stack([anchors, tf.gather(chosen, anchors)], axis=1)


def _one_of_each(taken: Any, seed: Any) -> Any:
    """One of the negatives that each pair takes, drawn at random, bool [m, b]; none where there is none."""
    draws = tf.random.stateless_uniform(tf.shape(taken), seed, 1.0, 2.0) * tf.cast(taken, tf.float32)
    return taken & tf.one_hot(tf.argmax(draws, axis=1), tf.shape(taken)[1], on_value=True, off_value=False)

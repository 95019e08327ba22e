"""What is minimised with a teacher: how far the network is from the teacher's embeddings, and from their relations."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.losses.loss import StepMetrics, pairwise_distances, spread


def distillation_loss(embeddings: Any, targets: Any, seed: Any) -> StepMetrics:
    """The mean squared distance to the teacher's embeddings, and the mean squared error of the distances in the batch.

    The second part is of all pairs of different faces, each distance divided by the mean of the teacher's: relational
    distillation (Park et al., 2019, eq. 5 and 6), with squares instead of Huber's loss and one unit for both sides, so
    that a threshold of the teacher's means the same.

    Args:
        embeddings: float32 [b, size], unit length.
        targets: float32 [b, size], the teacher's, unit length.
        seed: not used.

    Returns:
        `positive` is the mean squared distance to the teacher's embedding of the same face, `negative` that to those of
        the other faces, `active` the share of faces that are nearer to that of another one.
    """
    del seed
    to_teacher = tf.maximum(2.0 - 2.0 * tf.matmul(embeddings, targets, transpose_b=True), 0.0)
    faces = tf.cast(tf.shape(targets)[0], tf.float32)
    pairs = tf.maximum(faces * (faces - 1.0), 1.0)
    own = tf.linalg.diag_part(to_teacher)
    taught = pairwise_distances(targets)
    unit = tf.reduce_sum(taught) / pairs
    relations = tf.reduce_sum(((pairwise_distances(embeddings) - taught) / unit) ** 2) / pairs
    nearest = tf.reduce_min(to_teacher + 5.0 * tf.eye(tf.shape(targets)[0]), axis=1)
    return StepMetrics(
        tf.reduce_mean(own) / unit + relations,
        tf.reduce_mean(own),
        (tf.reduce_sum(to_teacher) - tf.reduce_sum(own)) / pairs,
        tf.reduce_mean(tf.cast(nearest < own, tf.float32)),
        tf.constant(0.0),
        spread(embeddings),
    )

"""The triplet loss on triplets that were mined before the step."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.losses.loss import Loss, StepMetrics, pairwise_distances, spread


def build(how: Hyperparameters) -> Loss:
    """The loss of `--margin`."""
    return triplet_loss(how.strategy.margin)


def triplet_loss(margin: float) -> Loss:
    """The mean of max(0, d(a,p)^2 - d(a,n)^2 + margin) over given triplets (FaceNet, section 3.1, eq. 2, as a mean).

    The targets are TRIPLETS, one or more.
    """

    def loss(embeddings: Any, triplets: Any, seed: Any) -> StepMetrics:
        del seed
        # All distances at once, then looked up: the gradient of a row is summed over its triplets by one product.
        distances = pairwise_distances(embeddings)
        positive = tf.gather_nd(distances, tf.gather(triplets, [0, 1], axis=1))
        negative = tf.gather_nd(distances, tf.gather(triplets, [0, 2], axis=1))
        losses = tf.maximum(positive - negative + margin, 0.0)
        return StepMetrics(
            tf.reduce_mean(losses),
            tf.reduce_mean(positive),
            tf.reduce_mean(negative),
            tf.reduce_mean(tf.cast(losses > 0, tf.float32)),
            tf.cast(tf.shape(triplets)[0], tf.float32),
            spread(embeddings),
        )

    return loss

"""The supervised contrastive loss, on all pairs of a batch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.losses.loss import (
    Loss,
    StepMetrics,
    masked_mean,
    pair_masks,
    pairwise_distances,
    spread,
)


def build(how: Hyperparameters) -> Loss:
    """The loss of `--temperature`."""
    return contrastive_loss(how.temperature)


def contrastive_loss(temperature: float) -> Loss:
    """The supervised contrastive loss within the batch (Khosla et al., 2020, eq. 2).

    For each pair of anchor and positive the cross entropy of finding the positive among all other faces of the batch,
    by a softmax over cosine / temperature; the mean over an anchor's positives, then over the anchors that have one.

    The targets are LABELS. The reported distances are means over the pairs of the batch, and `active` is the
    share of pairs of anchor and positive with a nearer negative.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> StepMetrics:
        del seed
        distances = pairwise_distances(embeddings)
        same, different = pair_masks(labels)
        itself = tf.eye(tf.shape(labels)[0])
        # 1 - d^2 / 2 is the cosine. A face is not looked for among the others: it leaves the softmax.
        logits = (1.0 - distances / 2.0) / temperature - 1e9 * itself
        entropy = tf.reduce_logsumexp(logits, axis=1, keepdims=True) - logits
        positives = tf.reduce_sum(same, axis=1)
        of_anchor = tf.math.divide_no_nan(tf.reduce_sum(entropy * same, axis=1), positives)
        anchors = tf.reduce_sum(tf.cast(positives > 0, tf.float32))
        nearest = tf.reduce_min(distances + 5.0 * (1.0 - different), axis=1, keepdims=True)
        active = tf.cast(distances > nearest, tf.float32)
        return StepMetrics(
            tf.math.divide_no_nan(tf.reduce_sum(of_anchor), anchors),
            masked_mean(distances, same),
            masked_mean(distances, different),
            masked_mean(active, same),
            tf.reduce_sum(same),
            spread(embeddings),
        )

    return loss

"""The loss of rounds that classify identities."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.heads import Head
from components.mine_and_train.losses.loss import Loss, StepMetrics, spread


def classification_loss(head: Head) -> Loss:
    """The cross entropy of a classification head; see `components.mine_and_train.heads`.

    Instead of embeddings it takes what they are before they are brought to length 1; the targets are LABELS. The
    reported distances are those to the own centre and to the others that take part, and `active` is the share of faces
    whose nearest centre is another's.
    """

    def loss(features: Any, labels: Any, seed: Any) -> StepMetrics:
        del seed
        features = tf.cast(features, tf.float32)
        embeddings, lengths = tf.math.l2_normalize(features, axis=1), tf.norm(features, axis=1)
        entropy, cosines = head(embeddings, lengths, labels)
        own = tf.gather(cosines, labels, axis=1, batch_dims=1)
        of_others = (tf.reduce_sum(cosines, axis=1) - own) / tf.cast(tf.shape(cosines)[1] - 1, tf.float32)
        wrong = tf.argmax(cosines, axis=1, output_type=labels.dtype) != labels
        return StepMetrics(
            entropy,
            2.0 - 2.0 * tf.reduce_mean(own),
            2.0 - 2.0 * tf.reduce_mean(of_others),
            tf.reduce_mean(tf.cast(wrong, tf.float32)),
            tf.constant(0.0),
            spread(embeddings),
        )

    return loss

"""The loss of the rounds that classify identities first."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.heads import Head
from components.mine_and_train.losses.measured import (
    Loss,
    Measured,
    distances_within,
    mean_where,
    same_and_different,
    spread,
)


def on_classes(head: Head) -> Loss:
    """The cross entropy of a classification head; see `components.mine_and_train.heads`.

    The targets are LABELS. The distances told are means over the pairs of the batch, and
    `active` is the share of wrong answers.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> Measured:
        del seed
        entropy, accuracy = head(embeddings, labels)
        distances = distances_within(embeddings)
        same, different = same_and_different(labels)
        return Measured(
            entropy,
            mean_where(distances, same),
            mean_where(distances, different),
            1.0 - accuracy,
            tf.constant(0.0),
            spread(embeddings),
        )

    return loss

"""The loss of the rounds that classify identities first."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.mine_and_train.heads import Head
from components.mine_and_train.losses.loss import (
    Loss,
    StepMetrics,
    masked_mean,
    pair_masks,
    pairwise_distances,
    spread,
)


def classification_loss(head: Head) -> Loss:
    """The cross entropy of a classification head; see `components.mine_and_train.heads`.

    The targets are LABELS. The reported distances are means over the pairs of the batch, and `active` is the
    share of wrong answers.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> StepMetrics:
        del seed
        entropy, accuracy = head(embeddings, labels)
        distances = pairwise_distances(embeddings)
        same, different = pair_masks(labels)
        return StepMetrics(
            entropy,
            masked_mean(distances, same),
            masked_mean(distances, different),
            1.0 - accuracy,
            tf.constant(0.0),
            spread(embeddings),
        )

    return loss

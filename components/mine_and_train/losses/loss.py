"""What all losses share: their targets, what they report, and the distances within a batch.

All distances are squared Euclidean distances between unit vectors, in float32: they are small differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class StepMetrics(NamedTuple):
    """What a training step reports, as float32 scalars.

    Args:
        loss: what is minimised.
        positive: mean d(a,p)^2 of the triplets trained on.
        negative: likewise d(a,n)^2.
        active: share with a positive loss: of the mined triplets, or of all triplets of the batch.
        terms: how many triplets or pairs the loss is a mean of; 0 where it is about neither.
        spread: mean squared distance between all pairs of the batch, itself included; 0 when all are equal.
    """

    loss: Any
    positive: Any
    negative: Any
    active: Any
    terms: Any
    spread: Any


# What a loss takes as targets: the identity of each embedding; or anchors, positives and negatives as rows of them.
LABELS = tf.TensorSpec([None], tf.int32)
TRIPLETS = tf.TensorSpec([None, 3], tf.int32)

# (embeddings float32 [b, size], targets, seed int32 [2]) -> StepMetrics
Loss = Callable[[Any, Any, Any], StepMetrics]


def pairwise_distances(embeddings: Any) -> Any:
    """The squared distances of a batch, float32 [b, b], from 0 to 4."""
    return tf.maximum(2.0 - 2.0 * tf.matmul(embeddings, embeddings, transpose_b=True), 0.0)


def spread(embeddings: Any) -> Any:
    """The mean squared distance between all pairs of a batch; see `StepMetrics`."""
    # The mean of |x - y|^2 over all pairs of unit vectors is 2 - 2 |mean|^2.
    centre = tf.reduce_mean(embeddings, axis=0)
    return 2.0 - 2.0 * tf.reduce_sum(centre * centre)


def pair_masks(labels: Any) -> tuple[Any, Any]:
    """float32 [b, b]: which pairs are of one identity, a face with itself left out, and which are not."""
    different = tf.cast(labels[:, None] != labels[None], tf.float32)
    return 1.0 - different - tf.eye(tf.shape(labels)[0]), different


def masked_mean(values: Any, chosen: Any) -> Any:
    """The mean of the values that are chosen by ones among zeros; 0 when none is."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * chosen), tf.reduce_sum(chosen))


def mean_over_members(loss: Loss, members: int) -> Loss:
    """The mean of a loss over the members of a network, each by its own part of the embedding.

    So each learns as if it were alone: members that learnt together would rely on each other, and an ensemble is as
    good as its members are different (Lakshminarayanan et al., 2017, section 2.4).
    """
    if members == 1:
        return loss

    def mean(embeddings: Any, targets: Any, seed: Any) -> StepMetrics:
        parts = [tf.math.l2_normalize(part, axis=1) for part in tf.split(embeddings, members, axis=1)]
        measured = [loss(part, targets, seed) for part in parts]
        return StepMetrics(*(tf.add_n(list(values)) / members for values in zip(*measured, strict=True)))

    return mean

"""What a training step minimises: a triplet loss, on mined triplets or on those of the batch, or one of two others.

All distances are squared Euclidean distances between unit vectors, in float32: they are small differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from components.mine_and_train.heads import Head
from components.mine_and_train.pairs import Strategy


class Measured(NamedTuple):
    """What one step saw, as float32 scalars.

    Args:
        loss: what is minimised.
        positive: mean d(a,p)^2 of the triplets trained on.
        negative: likewise d(a,n)^2.
        active: share with a positive loss: of the mined triplets, or of all triplets of the batch.
        triplets: how many were trained on.
        spread: mean squared distance between all pairs of the batch, itself included; 0 when all are equal.
    """

    loss: Any
    positive: Any
    negative: Any
    active: Any
    triplets: Any
    spread: Any


# What a loss takes as targets: the identity of each embedding; or anchors, positives and negatives as rows of them.
LABELS = tf.TensorSpec([None], tf.int32)
TRIPLETS = tf.TensorSpec([None, 3], tf.int32)

# (embeddings float32 [b, size], targets, seed int32 [2]) -> Measured
Loss = Callable[[Any, Any, Any], Measured]


def _distances(embeddings: Any) -> Any:
    return tf.maximum(2.0 - 2.0 * tf.matmul(embeddings, embeddings, transpose_b=True), 0.0)


def _spread(embeddings: Any) -> Any:
    # The mean of |x - y|^2 over all pairs of unit vectors is 2 - 2 |mean|^2.
    centre = tf.reduce_mean(embeddings, axis=0)
    return 2.0 - 2.0 * tf.reduce_sum(centre * centre)


def on_mined_triplets(margin: float) -> Loss:
    """The mean of max(0, d(a,p)^2 - d(a,n)^2 + margin) over given triplets (FaceNet, section 3.1, eq. 2, as a mean).

    The targets are TRIPLETS, one or more.
    """

    def loss(embeddings: Any, triplets: Any, seed: Any) -> Measured:
        del seed
        # All distances at once, then looked up: the gradient of a row is summed over its triplets by one product.
        distances = _distances(embeddings)
        positive = tf.gather_nd(distances, tf.gather(triplets, [0, 1], axis=1))
        negative = tf.gather_nd(distances, tf.gather(triplets, [0, 2], axis=1))
        losses = tf.maximum(positive - negative + margin, 0.0)
        return Measured(
            tf.reduce_mean(losses),
            tf.reduce_mean(positive),
            tf.reduce_mean(negative),
            tf.reduce_mean(tf.cast(losses > 0, tf.float32)),
            tf.cast(tf.shape(triplets)[0], tf.float32),
            _spread(embeddings),
        )

    return loss


def on_triplets_of_the_batch(strategy: Strategy) -> Loss:
    """The triplet loss on the triplets that a strategy finds inside the batch (Hermans et al., 2017, section 2).

    The targets are LABELS. Triplets are chosen as `mining.mine` chooses them; a batch
    in which the strategy finds none has the loss 0.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> Measured:
        distances = _distances(embeddings)
        pairs = _pairs(distances, labels, strategy.positives)
        positive = tf.gather_nd(distances, pairs)[:, None]
        negative = tf.gather(distances, pairs[:, 0])
        different = labels[:, None] != labels[None]
        candidates = tf.gather(different, pairs[:, 0])
        chosen = tf.cast(candidates & _negatives(positive, negative, candidates, strategy, seed), tf.float32)
        losses = tf.maximum(positive - negative + strategy.margin, 0.0) * chosen
        count = tf.reduce_sum(chosen)
        every = tf.reduce_sum(tf.cast(tf.gather(different, _pairs(distances, labels, "all")[:, 0]), tf.float32))
        return Measured(
            tf.math.divide_no_nan(tf.reduce_sum(losses), count),
            tf.math.divide_no_nan(tf.reduce_sum(positive * chosen), count),
            tf.math.divide_no_nan(tf.reduce_sum(negative * chosen), count),
            tf.math.divide_no_nan(tf.reduce_sum(tf.cast(losses > 0, tf.float32)), every),
            count,
            _spread(embeddings),
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


def _negatives(positive: Any, negative: Any, candidates: Any, strategy: Strategy, seed: Any) -> Any:
    """Which negatives of each pair the strategy takes, bool [m, b], if they are `candidates`."""
    within = negative < positive + strategy.margin
    if strategy.negatives == "hard":
        return negative < positive
    if strategy.negatives == "semi-hard":
        return (negative >= positive) & within
    if strategy.negatives == "easy":
        return ~within
    if strategy.negatives == "all":
        return tf.ones_like(within)
    violating = candidates & within
    drawn = tf.random.stateless_uniform(tf.shape(within), seed, 1.0, 2.0) * tf.cast(violating, tf.float32)
    first = tf.one_hot(tf.argmax(drawn, axis=1), tf.shape(within)[1], on_value=True, off_value=False)
    return first & violating


def on_contrasts(temperature: float) -> Loss:
    """The supervised contrastive loss within the batch (Khosla et al., 2020, eq. 2).

    For each pair of anchor and positive the cross entropy of finding the positive among all other faces of the batch,
    by a softmax over cosine / temperature; the mean over an anchor's positives, then over the anchors that have one.

    The targets are LABELS. The distances told are means over the pairs of the batch, and
    `active` is the share of pairs of anchor and positive with a nearer negative.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> Measured:
        del seed
        distances = _distances(embeddings)
        same, different = _same_and_different(labels)
        itself = tf.eye(tf.shape(labels)[0])
        # 1 - d^2 / 2 is the cosine. A face is not looked for among the others: it leaves the softmax.
        logits = (1.0 - distances / 2.0) / temperature - 1e9 * itself
        entropy = tf.reduce_logsumexp(logits, axis=1, keepdims=True) - logits
        positives = tf.reduce_sum(same, axis=1)
        of_anchor = tf.math.divide_no_nan(tf.reduce_sum(entropy * same, axis=1), positives)
        anchors = tf.reduce_sum(tf.cast(positives > 0, tf.float32))
        nearest = tf.reduce_min(distances + 5.0 * (1.0 - different), axis=1, keepdims=True)
        active = tf.cast(distances > nearest, tf.float32)
        return Measured(
            tf.math.divide_no_nan(tf.reduce_sum(of_anchor), anchors),
            _mean_where(distances, same),
            _mean_where(distances, different),
            _mean_where(active, same),
            tf.constant(0.0),
            _spread(embeddings),
        )

    return loss


def _same_and_different(labels: Any) -> tuple[Any, Any]:
    """float32 [b, b]: which pairs are of one identity, a face with itself left out, and which are not."""
    different = tf.cast(labels[:, None] != labels[None], tf.float32)
    return 1.0 - different - tf.eye(tf.shape(labels)[0]), different


def _mean_where(values: Any, chosen: Any) -> Any:
    return tf.math.divide_no_nan(tf.reduce_sum(values * chosen), tf.reduce_sum(chosen))


def of_each_member(loss: Loss, members: int) -> Loss:
    """The mean of a loss over the members of a network, each by its own part of the embedding.

    So each learns as if it were alone: members that learnt together would rely on each other, and an ensemble is as
    good as its members are different (Lakshminarayanan et al., 2017, section 2.4).
    """
    if members == 1:
        return loss

    def mean(embeddings: Any, targets: Any, seed: Any) -> Measured:
        parts = [tf.math.l2_normalize(part, axis=1) for part in tf.split(embeddings, members, axis=1)]
        measured = [loss(part, targets, seed) for part in parts]
        return Measured(*(tf.add_n(list(values)) / members for values in zip(*measured, strict=True)))

    return mean


def on_classes(head: Head) -> Loss:
    """The cross entropy of a classification head; see `components.mine_and_train.heads`.

    The targets are LABELS. The distances told are means over the pairs of the batch, and
    `active` is the share of wrong answers.
    """

    def loss(embeddings: Any, labels: Any, seed: Any) -> Measured:
        del seed
        entropy, accuracy = head(embeddings, labels)
        distances = _distances(embeddings)
        same, different = _same_and_different(labels)
        return Measured(
            entropy,
            _mean_where(distances, same),
            _mean_where(distances, different),
            1.0 - accuracy,
            tf.constant(0.0),
            _spread(embeddings),
        )

    return loss

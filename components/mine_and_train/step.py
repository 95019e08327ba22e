"""The triplet loss, and one compiled training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.model.network import scaled


def triplet_loss(embeddings: Any, triplets: Any, margin: float) -> tuple[Any, Any, Any]:
    """The mean of max(0, d(a,p)^2 - d(a,n)^2 + margin) over triplets (FaceNet, section 3.1, eq. 2, as a mean).

    Args:
        embeddings: float32 tensor [n, size], unit length.
        triplets: int32 tensor [t, 3], anchor, positive, negative as rows of `embeddings`; t > 0.
        margin: alpha of the paper, in squared distance.

    Returns:
        Three float32 scalars: the loss, the mean d(a,p)^2 and the mean d(a,n)^2.
    """
    # All distances at once, then looked up: the gradient of a row is summed over its triplets by one product.
    distances = tf.maximum(2.0 - 2.0 * tf.matmul(embeddings, embeddings, transpose_b=True), 0.0)
    positive = tf.gather_nd(distances, tf.gather(triplets, [0, 1], axis=1))
    negative = tf.gather_nd(distances, tf.gather(triplets, [0, 2], axis=1))
    loss = tf.reduce_mean(tf.maximum(positive - negative + margin, 0.0))
    return loss, tf.reduce_mean(positive), tf.reduce_mean(negative)


def augmented(images: Any, seed: Any, jitter: float) -> Any:
    """Mirrors, shifts and zooms each image at random, in one affine transform.

    Mirrored left to right with probability 1/2, never upside down: nobody is photographed that way. Shifted along
    each axis and zoomed by up to `jitter`, as a detector's box is from one photo to the next; the edge is repeated.

    Args:
        images: float32 tensor [n, size, size, 3].
        seed: int32 tensor [2]; the same seed changes images in the same way.
        jitter: a fraction of the image's side; 0 mirrors only.
    """
    size = tf.cast(tf.shape(images)[1], tf.float32)
    uniform = tf.random.stateless_uniform([tf.shape(images)[0], 4], seed, -1.0, 1.0)
    zoom = 1 + jitter * uniform[:, 0]
    across, down = jitter * size * uniform[:, 1], jitter * size * uniform[:, 2]
    mirrored = tf.where(uniform[:, 3] < 0, -zoom, zoom)
    centre, zero = (size - 1) / 2, tf.zeros_like(zoom)
    rows = [mirrored, zero, centre * (1 - mirrored) + across, zero, zoom, centre * (1 - zoom) + down, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def training_step(
    network: keras.Model, optimizer: keras.optimizers.Optimizer, margin: float, jitter: float
) -> Callable[[Any, Any, Any], tuple[Any, Any, Any]]:
    """Compiles a step that moves the network's weights.

    Returns:
        A function of (uint8 images [b, s, s, 3], int32 triplets [t, 3], int32 seed [2]) that returns what
        `triplet_loss` does.
    """
    optimizer.build(network.trainable_variables)
    size = network.input_shape[1]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, size, size, 3], tf.uint8),
            tf.TensorSpec([None, 3], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def step(images: Any, triplets: Any, seed: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            embeddings = network(augmented(scaled(images), seed, jitter), training=True)
            loss, positive, negative = triplet_loss(embeddings, triplets, margin)
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return loss, positive, negative

    return step

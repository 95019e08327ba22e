"""BatchNorm as every network here uses it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # keras has no types
    """Keras's layer, with TensorFlow's fused operation where it trains on images on one device.

    Keras spells the arithmetic out: on a CPU that is a quarter more of a small network's training step, and memory.

    In training it keeps the mean and variance of the batch that it saw last, not moving averages: those lag behind the
    weights, layer upon layer. What inference needs `components.mine_and_train.statistics` gathers.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises; see keras.layers.BatchNormalization."""
        if not training or not self.trainable or self.synchronized or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        scale = self.gamma if self.scale else tf.ones_like(self.beta)
        outputs, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs, tf.convert_to_tensor(scale), tf.convert_to_tensor(self.beta), epsilon=self.epsilon
        )
        # The operation's variance is the unbiased one; Keras's moving average is of the other.
        count = tf.cast(tf.size(inputs) / inputs.shape[-1], tf.float32)
        for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance * (1 - 1 / count))):
            moving.assign(seen)
        return outputs


def normalize(x: Any, *, scale: bool = True, name: str | None = None) -> Any:
    """BatchNorm over all axes but the last; with a gamma only when `scale` is true."""
    return BatchNormalization(momentum=0.0, epsilon=1e-3, scale=scale, name=name)(x)


def normalizations(network: keras.Model) -> list[BatchNormalization]:
    """The BatchNorm layers of a network, of all its members."""
    batch_norms = []
    for layer in network.layers:
        if isinstance(layer, keras.Model):  # a member
            batch_norms += normalizations(layer)
        if isinstance(layer, BatchNormalization):
            batch_norms.append(layer)
    return batch_norms

"""BatchNorm as every network here uses it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import layers

# Rounds are short: the moving averages that inference uses must follow within one.
MOMENTUM = 0.95


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # keras has no types
    """Keras's layer, with TensorFlow's fused operation where it trains on images on one device.

    Keras spells the arithmetic out: on a CPU that is a quarter more of a small network's training step, and memory.
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
            moving.assign(moving * self.momentum + seen * (1 - self.momentum))
        return outputs


def normalized(x: Any, *, scale: bool = True, name: str | None = None) -> Any:
    """BatchNorm over all axes but the last; with a gamma only when `scale` is true."""
    return BatchNormalization(momentum=MOMENTUM, epsilon=1e-3, scale=scale, name=name)(x)

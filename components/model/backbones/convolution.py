"""Convolutions as every network here uses them."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import layers

# Of outputs with so many places, or fewer; on larger ones TensorFlow's own way is as fast, or faster.
_MOST_PLACES = 64


class Conv2D(layers.Conv2D):  # type: ignore[misc]  # keras has no types
    """Keras's layer; where it trains in bfloat16 on a CPU, small outputs get the gradient of their kernel by products.

    For that gradient oneDNN has no fast kernels there: one matrix product for each place of the kernel takes half the
    time, and the training step of a network up to a tenth less. See benchmarks/README.md.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolves; see keras.layers.Conv2D."""
        if not training or not self._has_slow_gradient(inputs):
            return super().call(inputs)
        kernel = keras.ops.convert_to_tensor(self.kernel)
        outputs = _convolve(inputs, kernel, self.strides[0], self.padding.upper())
        if self.use_bias:
            outputs += keras.ops.convert_to_tensor(self.bias)
        return self.activation(outputs)

    def _has_slow_gradient(self, inputs: Any) -> bool:
        shape = self.compute_output_shape(inputs.shape)[1:3]
        return (
            inputs.dtype == tf.bfloat16
            and None not in shape
            and math.prod(shape) <= _MOST_PLACES
            and self.strides[0] == self.strides[1]
            and self.dilation_rate == (1, 1)
            and self.groups == 1
            and not tf.config.list_physical_devices("GPU")
        )


def _convolve(images: Any, kernel: Any, stride: int, padding: str) -> Any:
    """A convolution without bias.

    Args:
        images: [n, height, width, channels].
        kernel: [height, width, channels, filters].
        stride: both ways.
        padding: SAME or VALID.

    Returns:
        [n, height, width, filters].
    """

    @tf.custom_gradient
    def convolve(images: Any, kernel: Any) -> Any:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            of_images = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(images), stride, padding)
            return of_images, _kernel_gradient(images, upstream, kernel.shape, stride, padding)

        return tf.nn.conv2d(images, kernel, stride, padding), gradients

    return convolve(images, kernel)


def _kernel_gradient(images: Any, upstream: Any, shape: Any, stride: int, padding: str) -> Any:
    """The gradient of a kernel: for each place of it, the products of what it was multiplied with and what came of it.

    Args:
        images: [n, height, width, channels].
        upstream: [n, height, width, filters], gradient of the outputs.
        shape: of the kernel.
        stride: both ways.
        padding: SAME or VALID.

    Returns:
        Of the kernel's shape.
    """
    height, width, channels, filters = shape
    rows, columns = upstream.shape[1:3]
    images = _pad(images, 1, rows, height, stride, padding)
    images = _pad(images, 2, columns, width, stride, padding)
    # Every so many-th row and column becomes a block of its own: TensorFlow copies blocks many times faster than steps.
    images = tf.reshape(images, [-1, images.shape[1] // stride, stride, images.shape[2] // stride, stride * channels])
    upstream = tf.reshape(upstream, [-1, filters])

    def place(row: int, column: int) -> Any:
        (down, row), (right, column) = divmod(row, stride), divmod(column, stride)
        begin = column * channels
        seen = images[:, down : down + rows, row, right : right + columns, begin : begin + channels]
        return tf.matmul(tf.reshape(seen, [-1, channels]), upstream, transpose_a=True)

    places = [place(row, column) for row in range(height) for column in range(width)]
    return tf.reshape(tf.stack(places), shape)


def _pad(images: Any, axis: int, outputs: int, kernel: int, stride: int, padding: str) -> Any:
    """Zeros around, as TensorFlow pads, and so many after that strides divide the length."""
    length = images.shape[axis]
    before = max((outputs - 1) * stride + kernel - length, 0) // 2 if padding == "SAME" else 0
    wanted = (outputs + (kernel - 1) // stride) * stride
    seen = min(length, wanted - before)
    paddings = [[0, 0]] * 4
    paddings[axis] = [before, wanted - before - seen]
    return tf.pad(images[(slice(None),) * axis + (slice(seen),)], paddings)

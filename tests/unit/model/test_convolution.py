"""The gradient of a kernel by matrix products, against that of Keras's layer in float32.

Not against Keras's in bfloat16, which on a processor without instructions for it is itself 0.02 away.
"""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.model.backbones.convolution import Conv2D


def step(kind, shape, *, dtype="mixed_bfloat16", **settings):
    """From images of a shape to the gradients of a sum of squares: of the images, the kernel and the bias."""
    keras.utils.set_random_seed(0)
    layer = kind(5, **settings, dtype=dtype, bias_initializer="random_normal")
    layer.build(shape)
    training = {"training": True} if kind is Conv2D else {}

    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def gradients(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.cast(layer(images, **training), "float32") ** 2)
        return tape.gradient(loss, [images, *layer.trainable_variables])

    return gradients


def operations(function):
    return {operation.type for operation in function.get_concrete_function().graph.get_operations()}


KERNELS = [(1, 1), (3, 3), (1, 7), (7, 1), (2, 2), (5, 3)]
# Every kernel, stride, padding and size, though not each with each: that is left to the long tests.
FEW = [((7, 8), kernel, 1 + number % 3, ("same", "valid")[number % 2]) for number, kernel in enumerate(KERNELS)]
FEW += [((8, 7), (3, 3), strides, padding) for strides in (2, 3) for padding in ("same", "valid")]
ALL = product([(7, 8), (8, 7)], KERNELS, [1, 2, 3], ["same", "valid"])


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding"),
    [pytest.param(*case, marks=() if case in FEW else pytest.mark.long) for case in ALL],
)
def test_gradients_are_those_of_keras(kernel, strides, padding, size):
    images = tf.random.stateless_normal((3, *size, 4), [0, 0])
    settings = {"kernel_size": kernel, "strides": strides, "padding": padding, "activation": "relu"}
    ours, theirs = (step(kind, images.shape, **settings) for kind in (Conv2D, keras.layers.Conv2D))
    assert "Conv2DBackpropFilter" in operations(theirs) - operations(ours)
    exact = step(keras.layers.Conv2D, images.shape, dtype="float32", **settings)
    for one, other in zip(ours(images), exact(images), strict=True):
        np.testing.assert_allclose(one, other, atol=0.02 * np.abs(other).max())


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((9, 8), {}),
        ((8, 8), {"dtype": "float32"}),
        ((8, 8), {"groups": 5}),
        ((8, 8), {"dilation_rate": 2}),
        ((8, 8), {"strides": (1, 2)}),
        ((None, 8), {}),
    ],
    ids=["large", "float32", "groups", "dilated", "strides", "unknown"],
)
def test_all_else_is_left_to_keras(size, settings):
    settings = {"kernel_size": 3, "padding": "same", **settings}
    assert "MatMul" not in operations(step(Conv2D, (2, *size, 5), **settings))


def test_small_outputs_are_not_left_to_keras():
    assert "MatMul" in operations(step(Conv2D, (2, 8, 8, 5), kernel_size=3, padding="same"))

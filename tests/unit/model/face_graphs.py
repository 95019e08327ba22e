"""Inception-ResNet-v1 as facenet-pytorch and the Keras 2 networks have it, with their names, and their files.

Written out in plain TensorFlow and Keras after timesler/facenet-pytorch (models/inception_resnet_v1.py) and
faustomorales/keras-facenet (inception_resnet_v1.py), apart from the networks under test, which must give the same
embeddings for the same weights. Values are made up.
"""

from __future__ import annotations

import zlib

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers


def drawn(name, shape, mean=0.0, spread=0.1):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return (mean + spread * rng.standard_normal(shape)).astype(np.float32)


def unit(embeddings):
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


class Torch:
    """`InceptionResnetV1`, in evaluation mode; `state` is its state_dict, made up at the first use of a name."""

    def __init__(self):
        self.state = {}

    def value(self, name, shape, mean=0.0, spread=0.1):
        if name not in self.state:
            self.state[name] = np.abs(drawn(name, shape, mean, spread)) if mean else drawn(name, shape, mean, spread)
        assert self.state[name].shape == tuple(shape), name
        return self.state[name]

    def conv2d(self, x, name, out, kernel, stride, padding):
        height, width = kernel
        inputs = x.shape[-1]
        weight = self.value(
            f"{name}.weight", (out, inputs, height, width), spread=(2 / (height * width * inputs)) ** 0.5
        )
        x = tf.pad(x, [[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]])
        return tf.nn.conv2d(x, tf.transpose(weight, (2, 3, 1, 0)), stride, "VALID")

    def basic(self, x, name, out, kernel_size, stride=1, padding=0):
        """BasicConv2d."""
        kernel = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
        x = self.conv2d(
            x, f"{name}.conv", out, kernel, stride, padding if isinstance(padding, tuple) else (padding,) * 2
        )
        return tf.nn.relu(self.bn(x, f"{name}.bn", out))

    def bn(self, x, name, size):
        weight = self.state.setdefault(f"{name}.weight", np.ones(size, np.float32))
        bias, mean = self.value(f"{name}.bias", (size,)), self.value(f"{name}.running_mean", (size,))
        var = self.value(f"{name}.running_var", (size,), mean=1.0)
        self.state[f"{name}.num_batches_tracked"] = np.array(0, np.int64)
        return (x - mean) / np.sqrt(var + 0.001) * weight + bias

    def residual(self, x, name, branches, scale, relu=True):
        joined = tf.concat(branches, 3)
        out = self.conv2d(joined, f"{name}.conv2d", x.shape[-1], (1, 1), 1, (0, 0))
        out = (out + self.value(f"{name}.conv2d.bias", (x.shape[-1],))) * scale + x
        return tf.nn.relu(out) if relu else out

    def block35(self, x, name):
        x0 = self.basic(x, f"{name}.branch0", 32, 1)
        x1 = self.basic(x, f"{name}.branch1.0", 32, 1)
        x1 = self.basic(x1, f"{name}.branch1.1", 32, 3, padding=1)
        x2 = self.basic(x, f"{name}.branch2.0", 32, 1)
        x2 = self.basic(x2, f"{name}.branch2.1", 32, 3, padding=1)
        x2 = self.basic(x2, f"{name}.branch2.2", 32, 3, padding=1)
        return self.residual(x, name, [x0, x1, x2], 0.17)

    def block17(self, x, name):
        x0 = self.basic(x, f"{name}.branch0", 128, 1)
        x1 = self.basic(x, f"{name}.branch1.0", 128, 1)
        x1 = self.basic(x1, f"{name}.branch1.1", 128, (1, 7), padding=(0, 3))
        x1 = self.basic(x1, f"{name}.branch1.2", 128, (7, 1), padding=(3, 0))
        return self.residual(x, name, [x0, x1], 0.10)

    def block8(self, x, name, scale=0.20, relu=True):
        x0 = self.basic(x, f"{name}.branch0", 192, 1)
        x1 = self.basic(x, f"{name}.branch1.0", 192, 1)
        x1 = self.basic(x1, f"{name}.branch1.1", 192, (1, 3), padding=(0, 1))
        x1 = self.basic(x1, f"{name}.branch1.2", 192, (3, 1), padding=(1, 0))
        return self.residual(x, name, [x0, x1], scale, relu)

    def __call__(self, images):
        """Embeddings of float32 images [n, s, s, 3]."""
        x = self.basic(images, "conv2d_1a", 32, 3, 2)
        x = self.basic(x, "conv2d_2a", 32, 3)
        x = self.basic(x, "conv2d_2b", 64, 3, padding=1)
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        x = self.basic(x, "conv2d_3b", 80, 1)
        x = self.basic(x, "conv2d_4a", 192, 3)
        x = self.basic(x, "conv2d_4b", 256, 3, 2)
        for number in range(5):
            x = self.block35(x, f"repeat_1.{number}")
        x0 = self.basic(x, "mixed_6a.branch0", 384, 3, 2)
        x1 = self.basic(x, "mixed_6a.branch1.0", 192, 1)
        x1 = self.basic(x1, "mixed_6a.branch1.1", 192, 3, padding=1)
        x1 = self.basic(x1, "mixed_6a.branch1.2", 256, 3, 2)
        x = tf.concat([x0, x1, tf.nn.max_pool2d(x, 3, 2, "VALID")], 3)
        for number in range(10):
            x = self.block17(x, f"repeat_2.{number}")
        x0 = self.basic(x, "mixed_7a.branch0.0", 256, 1)
        x0 = self.basic(x0, "mixed_7a.branch0.1", 384, 3, 2)
        x1 = self.basic(x, "mixed_7a.branch1.0", 256, 1)
        x1 = self.basic(x1, "mixed_7a.branch1.1", 256, 3, 2)
        x2 = self.basic(x, "mixed_7a.branch2.0", 256, 1)
        x2 = self.basic(x2, "mixed_7a.branch2.1", 256, 3, padding=1)
        x2 = self.basic(x2, "mixed_7a.branch2.2", 256, 3, 2)
        x = tf.concat([x0, x1, x2, tf.nn.max_pool2d(x, 3, 2, "VALID")], 3)
        for number in range(5):
            x = self.block8(x, f"repeat_3.{number}")
        x = tf.reduce_mean(self.block8(x, "block8", scale=1.0, relu=False), [1, 2])
        x = x @ self.value("last_linear.weight", (512, 1792)).T
        return unit(self.bn(x, "last_bn", 512).numpy())


def keras_network(classes):
    """`InceptionResNetV1(classes=...)` of keras-facenet with made-up weights, up to its Bottleneck_BatchNorm."""

    def conv2d_bn(x, filters, kernel_size, strides=1, padding="same", name=None):
        x = layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.995, epsilon=0.001, scale=False, name=f"{name}_BatchNorm")(x)
        return layers.Activation("relu", name=f"{name}_Activation")(x)

    def block(x, scale, name, branches, activation=True):
        mixed = layers.Concatenate(name=f"{name}_Concatenate")(branches)
        up = layers.Conv2D(x.shape[-1], 1, padding="same", name=f"{name}_Conv2d_1x1")(mixed)
        x = layers.add([x, layers.Rescaling(scale)(up)])
        return layers.Activation("relu", name=f"{name}_Activation")(x) if activation else x

    def block35(x, name):
        zero = conv2d_bn(x, 32, 1, name=f"{name}_Branch_0_Conv2d_1x1")
        one = conv2d_bn(x, 32, 1, name=f"{name}_Branch_1_Conv2d_0a_1x1")
        one = conv2d_bn(one, 32, 3, name=f"{name}_Branch_1_Conv2d_0b_3x3")
        two = conv2d_bn(x, 32, 1, name=f"{name}_Branch_2_Conv2d_0a_1x1")
        two = conv2d_bn(two, 32, 3, name=f"{name}_Branch_2_Conv2d_0b_3x3")
        two = conv2d_bn(two, 32, 3, name=f"{name}_Branch_2_Conv2d_0c_3x3")
        return block(x, 0.17, name, [zero, one, two])

    def block17(x, name):
        zero = conv2d_bn(x, 128, 1, name=f"{name}_Branch_0_Conv2d_1x1")
        one = conv2d_bn(x, 128, 1, name=f"{name}_Branch_1_Conv2d_0a_1x1")
        one = conv2d_bn(one, 128, [1, 7], name=f"{name}_Branch_1_Conv2d_0b_1x7")
        one = conv2d_bn(one, 128, [7, 1], name=f"{name}_Branch_1_Conv2d_0c_7x1")
        return block(x, 0.1, name, [zero, one])

    def block8(x, name, scale=0.2, activation=True):
        zero = conv2d_bn(x, 192, 1, name=f"{name}_Branch_0_Conv2d_1x1")
        one = conv2d_bn(x, 192, 1, name=f"{name}_Branch_1_Conv2d_0a_1x1")
        one = conv2d_bn(one, 192, [1, 3], name=f"{name}_Branch_1_Conv2d_0b_1x3")
        one = conv2d_bn(one, 192, [3, 1], name=f"{name}_Branch_1_Conv2d_0c_3x1")
        return block(x, scale, name, [zero, one], activation)

    def reduced(x, chains):
        branches = []
        for number, chain in enumerate(chains):
            branch = x
            for filters, kernel_size, name in chain:
                how = {"strides": 2, "padding": "valid"} if "1a" in name else {}
                branch = conv2d_bn(branch, filters, kernel_size, name=name.format(number), **how)
            branches.append(branch)
        return layers.Concatenate()([*branches, layers.MaxPooling2D(3, strides=2, padding="valid")(x)])

    inputs = layers.Input((None, None, 3))
    x = conv2d_bn(inputs, 32, 3, strides=2, padding="valid", name="Conv2d_1a_3x3")
    x = conv2d_bn(x, 32, 3, padding="valid", name="Conv2d_2a_3x3")
    x = conv2d_bn(x, 64, 3, name="Conv2d_2b_3x3")
    x = layers.MaxPooling2D(3, strides=2, name="MaxPool_3a_3x3")(x)
    x = conv2d_bn(x, 80, 1, padding="valid", name="Conv2d_3b_1x1")
    x = conv2d_bn(x, 192, 3, padding="valid", name="Conv2d_4a_3x3")
    x = conv2d_bn(x, 256, 3, strides=2, padding="valid", name="Conv2d_4b_3x3")
    for number in range(1, 6):
        x = block35(x, f"Block35_{number}")
    first, second, last = (f"Mixed_6a_Branch_{{}}_Conv2d_{each}" for each in ("0a_1x1", "0b_3x3", "1a_3x3"))
    x = reduced(x, [[(384, 3, last)], [(192, 1, first), (192, 3, second), (256, 3, last)]])
    for number in range(1, 11):
        x = block17(x, f"Block17_{number}")
    first, second, last = (f"Mixed_7a_Branch_{{}}_Conv2d_{each}" for each in ("0a_1x1", "0b_3x3", "1a_3x3"))
    three = [(256, 1, first), (256, 3, second), (256, 3, last)]
    x = reduced(x, [[(256, 1, first), (384, 3, last)], [(256, 1, first), (256, 3, last)], three])
    for number in range(1, 6):
        x = block8(x, f"Block8_{number}")
    x = block8(x, "Block8_6", 1.0, activation=False)
    x = layers.GlobalAveragePooling2D(name="AvgPool")(x)
    x = layers.Dense(classes, use_bias=False, name="Bottleneck")(layers.Dropout(0.2, name="Dropout")(x))
    x = layers.BatchNormalization(momentum=0.995, epsilon=0.001, scale=False, name="Bottleneck_BatchNorm")(x)
    network = keras.Model(inputs, x, name="inception_resnet_v1")
    for layer in network.layers:
        for variable in layer.weights:
            name, shape = f"{layer.name}/{variable.name}", variable.shape
            if variable.name == "kernel":
                variable.assign(drawn(name, shape, spread=(2 / np.prod(shape[:-1])) ** 0.5))
            else:
                variable.assign(np.abs(drawn(name, shape, 1.0)) if "variance" in name else drawn(name, shape))
    return network


def save_keras2(network, path, size, *, whole):
    """As Keras 2 wrote `save_weights` or, with `whole`, `save`: its weights, of an embedding of the first numbers."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        root.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        root.attrs["backend"], root.attrs["keras_version"] = b"tensorflow", b"2.1.2"
        for layer in network.layers:
            group = root.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                value = variable.numpy()
                group[name] = value[..., :size] if layer.name.startswith("Bottleneck") else value

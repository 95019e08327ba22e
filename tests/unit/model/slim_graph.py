"""The graphs of TF-Slim's Inception-ResNet checkpoints in plain TensorFlow operations, after the paper's figures.

Written apart from the networks under test, which must give the same features for the same weights.
"""

from __future__ import annotations

import zlib

import numpy as np
import tensorflow as tf


class Slim:
    """Variables by their names in a checkpoint, made up at their first use, and a graph that uses them."""

    def __init__(self, root):
        self.root = root
        self.variables = {}

    def variable(self, name, shape, mean=0.0, spread=0.1):
        name = f"{self.root}/{name}"
        if name not in self.variables:
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            self.variables[name] = (mean + spread * rng.standard_normal(shape)).astype(np.float32)
        assert self.variables[name].shape == tuple(shape), name
        return self.variables[name]

    def kernel(self, x, scope, height, width, channels):
        inputs = height * width * x.shape[-1]
        return self.variable(f"{scope}/weights", (height, width, x.shape[-1], channels), spread=(2 / inputs) ** 0.5)

    def conv(self, x, scope, channels, kernel, stride=1, padding="SAME"):
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        x = tf.nn.conv2d(x, self.kernel(x, scope, height, width, channels), stride, padding)
        scope += "/BatchNorm"
        x = tf.nn.batch_normalization(
            x,
            self.variable(f"{scope}/moving_mean", (channels,)),
            np.abs(self.variable(f"{scope}/moving_variance", (channels,), mean=1.0)),
            self.variable(f"{scope}/beta", (channels,)),
            None,
            0.001,
        )
        return tf.nn.relu(x)

    def residual(self, x, scope, branches, scale, activate=True):
        mixed = tf.concat(branches, 3)
        up = tf.nn.conv2d(mixed, self.kernel(mixed, f"{scope}/Conv2d_1x1", 1, 1, x.shape[-1]), 1, "SAME")
        x = x + scale * (up + self.variable(f"{scope}/Conv2d_1x1/biases", (x.shape[-1],)))
        return tf.nn.relu(x) if activate else x

    def block35(self, x, scope, third):
        zero = self.conv(x, f"{scope}/Branch_0/Conv2d_1x1", 32, 1)
        one = self.conv(x, f"{scope}/Branch_1/Conv2d_0a_1x1", 32, 1)
        one = self.conv(one, f"{scope}/Branch_1/Conv2d_0b_3x3", 32, 3)
        two = self.conv(x, f"{scope}/Branch_2/Conv2d_0a_1x1", third[0], 1)
        two = self.conv(two, f"{scope}/Branch_2/Conv2d_0b_3x3", third[1], 3)
        two = self.conv(two, f"{scope}/Branch_2/Conv2d_0c_3x3", third[2], 3)
        return self.residual(x, scope, [zero, one, two], 0.17)

    def block17(self, x, scope, widths):
        zero = self.conv(x, f"{scope}/Branch_0/Conv2d_1x1", widths[0], 1)
        one = self.conv(x, f"{scope}/Branch_1/Conv2d_0a_1x1", widths[1], 1)
        one = self.conv(one, f"{scope}/Branch_1/Conv2d_0b_1x7", widths[2], (1, 7))
        one = self.conv(one, f"{scope}/Branch_1/Conv2d_0c_7x1", widths[3], (7, 1))
        return self.residual(x, scope, [zero, one], 0.10)

    def block8(self, x, scope, widths, scale=0.20, activate=True):
        zero = self.conv(x, f"{scope}/Branch_0/Conv2d_1x1", widths[0], 1)
        one = self.conv(x, f"{scope}/Branch_1/Conv2d_0a_1x1", widths[1], 1)
        one = self.conv(one, f"{scope}/Branch_1/Conv2d_0b_1x3", widths[2], (1, 3))
        one = self.conv(one, f"{scope}/Branch_1/Conv2d_0c_3x1", widths[3], (3, 1))
        return self.residual(x, scope, [zero, one], scale, activate)

    def stem(self, x):
        x = self.conv(x, "Conv2d_1a_3x3", 32, 3, 2, "VALID")
        x = self.conv(x, "Conv2d_2a_3x3", 32, 3, 1, "VALID")
        x = self.conv(x, "Conv2d_2b_3x3", 64, 3)
        x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        x = self.conv(x, "Conv2d_3b_1x1", 80, 1, 1, "VALID")
        return self.conv(x, "Conv2d_4a_3x3", 192, 3, 1, "VALID")

    def mixed_6a(self, x, first, second, third):
        zero = self.conv(x, "Mixed_6a/Branch_0/Conv2d_1a_3x3", 384, 3, 2, "VALID")
        one = self.conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1", first, 1)
        one = self.conv(one, "Mixed_6a/Branch_1/Conv2d_0b_3x3", second, 3)
        one = self.conv(one, "Mixed_6a/Branch_1/Conv2d_1a_3x3", third, 3, 2, "VALID")
        return tf.concat([zero, one, tf.nn.max_pool2d(x, 3, 2, "VALID")], 3)

    def mixed_7a(self, x, one_width, two_widths):
        zero = self.conv(x, "Mixed_7a/Branch_0/Conv2d_0a_1x1", 256, 1)
        zero = self.conv(zero, "Mixed_7a/Branch_0/Conv2d_1a_3x3", 384, 3, 2, "VALID")
        one = self.conv(x, "Mixed_7a/Branch_1/Conv2d_0a_1x1", 256, 1)
        one = self.conv(one, "Mixed_7a/Branch_1/Conv2d_1a_3x3", one_width, 3, 2, "VALID")
        two = self.conv(x, "Mixed_7a/Branch_2/Conv2d_0a_1x1", 256, 1)
        two = self.conv(two, "Mixed_7a/Branch_2/Conv2d_0b_3x3", two_widths[0], 3)
        two = self.conv(two, "Mixed_7a/Branch_2/Conv2d_1a_3x3", two_widths[1], 3, 2, "VALID")
        return tf.concat([zero, one, two, tf.nn.max_pool2d(x, 3, 2, "VALID")], 3)

    def mixed_5b(self, x):
        zero = self.conv(x, "Mixed_5b/Branch_0/Conv2d_1x1", 96, 1)
        one = self.conv(x, "Mixed_5b/Branch_1/Conv2d_0a_1x1", 48, 1)
        one = self.conv(one, "Mixed_5b/Branch_1/Conv2d_0b_5x5", 64, 5)
        two = self.conv(x, "Mixed_5b/Branch_2/Conv2d_0a_1x1", 64, 1)
        two = self.conv(two, "Mixed_5b/Branch_2/Conv2d_0b_3x3", 96, 3)
        two = self.conv(two, "Mixed_5b/Branch_2/Conv2d_0c_3x3", 96, 3)
        three = self.conv(tf.nn.avg_pool2d(x, 3, 1, "SAME"), "Mixed_5b/Branch_3/Conv2d_0b_1x1", 64, 1)
        return tf.concat([zero, one, two, three], 3)


class InceptionResnetV2(Slim):
    """With the two heads of the ImageNet classifier, which are no part of the features."""

    def __init__(self):
        super().__init__("InceptionResnetV2")

    def features(self, images):
        x = self.mixed_5b(tf.nn.max_pool2d(self.stem(images), 3, 2, "VALID"))
        for number in range(1, 11):
            x = self.block35(x, f"Repeat/block35_{number}", (32, 48, 64))
        x = self.mixed_6a(x, 256, 256, 384)
        for number in range(1, 21):
            x = self.block17(x, f"Repeat_1/block17_{number}", (192, 128, 160, 192))
        x = self.mixed_7a(x, 288, (288, 320))
        for number in range(1, 10):
            x = self.block8(x, f"Repeat_2/block8_{number}", (192, 192, 224, 256))
        x = self.block8(x, "Block8", (192, 192, 224, 256), scale=1.0, activate=False)
        return tf.reduce_mean(self.conv(x, "Conv2d_7b_1x1", 1536, 1), [1, 2])

    def add_heads(self):
        for scope, shape in (("Conv2d_1b_1x1", (1, 1, 1088, 128)), ("Conv2d_2a_5x5", (5, 5, 128, 768))):
            self.variable(f"AuxLogits/{scope}/weights", shape)
            for name in ("beta", "moving_mean", "moving_variance"):
                self.variable(f"AuxLogits/{scope}/BatchNorm/{name}", shape[-1:])
        for scope, inputs in (("AuxLogits/Logits", 768), ("Logits/Logits", 1536)):
            self.variable(f"{scope}/weights", (inputs, 1001))
            self.variable(f"{scope}/biases", (1001,))


class InceptionResnetV1(Slim):
    """The FaceNet community's, with its bottleneck and its head."""

    def __init__(self):
        super().__init__("InceptionResnetV1")

    def features(self, images):
        x = self.conv(self.stem(images), "Conv2d_4b_3x3", 256, 3, 2, "VALID")
        for number in range(1, 6):
            x = self.block35(x, f"Repeat/block35_{number}", (32, 32, 32))
        x = self.mixed_6a(x, 192, 192, 256)
        for number in range(1, 11):
            x = self.block17(x, f"Repeat_1/block17_{number}", (128, 128, 128, 128))
        x = self.mixed_7a(x, 256, (256, 256))
        for number in range(1, 6):
            x = self.block8(x, f"Repeat_2/block8_{number}", (192, 192, 192, 192))
        return tf.reduce_mean(self.block8(x, "Block8", (192, 192, 192, 192), scale=1.0, activate=False), [1, 2])

    def bottleneck(self, features, size):
        x = features @ self.variable("Bottleneck/weights", (1792, size))
        mean, beta = (self.variable(f"Bottleneck/BatchNorm/{name}", (size,)) for name in ("moving_mean", "beta"))
        variance = np.abs(self.variable("Bottleneck/BatchNorm/moving_variance", (size,), mean=1.0))
        return tf.nn.batch_normalization(x, mean, variance, beta, None, 0.001)

    def add_heads(self):
        self.bottleneck(np.zeros((1, 1792), np.float32), 128)
        self.variable("Logits/weights", (128, 10))
        self.variable("Logits/biases", (10,))


def save(variables, path, version):
    """Writes a checkpoint of the V1 format (one file) or the V2 format (a prefix, and the state file beside it)."""
    names, tensors = list(variables), [tf.constant(array) for array in variables.values()]
    if version == "V1":
        tf.raw_ops.Save(filename=str(path), tensor_names=names, data=tensors)
        return
    tf.raw_ops.SaveV2(prefix=str(path), tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
    (path.parent / "checkpoint").write_text(f'model_checkpoint_path: "{path.name}"\n')

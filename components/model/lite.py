"""A network as a LiteRT file, written layer by layer; BatchNorm and factors go into the weights of the layers before.

TensorFlow's converter takes a hundred times as long, too long for every checkpoint. A new kind of layer needs a line in
`_LAYERS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools.flatbuffer_utils import convert_object_to_bytearray

from components.common.preprocessing import LITERT_ENTRY

Weights = Literal["float32", "float16", "int8"]
Floats = npt.NDArray[np.floating]
_CODES, _OPTIONS = schema.BuiltinOperator, schema.BuiltinOptions
_NONE, _RELU = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}
_ACTIVATIONS = {keras.activations.linear: _NONE, keras.activations.relu: _RELU}


@dataclass(frozen=True, eq=False)
class _Value:
    """What an operation of LiteRT gives. It is written when something reads it: until then a layer may fuse with it.

    Args:
        shape: for one image, whose axis is the first.
        code: of the operation; -1 for the network's input.
        options: of the operation, as the schema has them.
        reads: the values that it reads.
        kernel: float [..., channels], the weights of a linear operation.
        bias: float [channels], likewise.
        constants: what other operations read besides.
    """

    shape: tuple[int, ...]
    code: int = -1
    options: Any = None
    reads: tuple[_Value, ...] = ()
    kernel: Floats | None = None
    bias: Floats | None = None
    constants: tuple[npt.NDArray[Any], ...] = ()

    def times(self, factor: Any, summand: Any) -> _Value:
        """The same times a factor, plus a summand: numbers, or one for each channel."""
        assert self.kernel is not None
        assert self.options.fusedActivationFunction == _NONE, "a factor follows an activation"
        return replace(self, kernel=self.kernel * factor, bias=self.bias * factor + summand)

    def rectified(self) -> _Value:
        """The same without what is negative."""
        options = type(self.options)(**vars(self.options) | {"fusedActivationFunction": _RELU})
        return replace(self, options=options)


def _shape(operation: Any) -> tuple[int, ...]:
    return (1, *operation.output.shape[1:])


def _activated(layer: Any, value: _Value) -> _Value:
    return value.rectified() if _ACTIVATIONS[layer.activation] == _RELU else value


def _linear(layer: Any, x: _Value, code: int, options: Any, kernel: Floats) -> _Value:
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1], np.float32)
    return _activated(layer, _Value(_shape(layer), code, options, (x,), kernel, bias))


def _strides(layer: Any) -> dict[str, int]:
    return {"padding": _PADDINGS[layer.padding], "strideH": layer.strides[0], "strideW": layer.strides[1]}


def _convolution(layer: Any, x: _Value) -> _Value:
    assert layer.groups == 1
    assert layer.dilation_rate == (1, 1)
    return _linear(layer, x, _CODES.CONV_2D, schema.Conv2DOptionsT(**_strides(layer)), np.asarray(layer.kernel))


def _depthwise(layer: Any, x: _Value) -> _Value:
    assert layer.dilation_rate == (1, 1)
    kernel = np.asarray(layer.kernel)
    options = schema.DepthwiseConv2DOptionsT(**_strides(layer), depthMultiplier=kernel.shape[-1])
    return _linear(layer, x, _CODES.DEPTHWISE_CONV_2D, options, kernel.reshape(*kernel.shape[:2], -1))


def _dense(layer: Any, x: _Value) -> _Value:
    return _linear(layer, x, _CODES.FULLY_CONNECTED, schema.FullyConnectedOptionsT(), np.asarray(layer.kernel))


def _normalised(layer: Any, x: _Value) -> _Value:
    mean, variance = (np.asarray(each, np.float64) for each in (layer.moving_mean, layer.moving_variance))
    factor = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factor *= np.asarray(layer.gamma)
    return x.times(factor, np.asarray(layer.beta) - mean * factor)


def _pooled(layer: Any, x: _Value) -> _Value:
    height, width = layer.pool_size
    options = schema.Pool2DOptionsT(**_strides(layer), filterHeight=height, filterWidth=width)
    largest = isinstance(layer, keras.layers.MaxPooling2D)
    return _Value(_shape(layer), _CODES.MAX_POOL_2D if largest else _CODES.AVERAGE_POOL_2D, options, (x,))


def _padded(operation: Any, x: _Value) -> _Value:
    assert operation.mode == "constant"
    paddings = np.array(operation.pad_width, np.int32)
    return _Value(_shape(operation), _CODES.PAD, schema.PadOptionsT(), (x,), constants=(paddings,))


def _cropped(layer: Any, x: _Value) -> _Value:
    (top, _), (left, _) = layer.cropping
    shape = _shape(layer)
    bounds = np.array([[0, top, left, 0], [-1, *shape[1:]]], np.int32)
    return _Value(shape, _CODES.SLICE, schema.SliceOptionsT(), (x,), constants=tuple(bounds))


def _averaged(layer: Any, x: _Value) -> _Value:
    axes = np.array([1, 2], np.int32)
    return _Value(_shape(layer), _CODES.MEAN, schema.ReducerOptionsT(keepDims=False), (x,), constants=(axes,))


def _flattened(layer: Any, x: _Value) -> _Value:
    shape = np.array([-1, *_shape(layer)[1:]], np.int32)
    return _Value(_shape(layer), _CODES.RESHAPE, schema.ReshapeOptionsT(), (x,), constants=(shape,))


def _sloped(layer: Any, x: _Value) -> _Value:
    return _Value(_shape(layer), _CODES.PRELU, None, (x,), constants=(np.asarray(layer.alpha, np.float32),))


def _rescaled(layer: Any, x: _Value) -> _Value:
    return x.times(layer.scale, layer.offset)


def _added(layer: Any, values: list[_Value]) -> _Value:
    assert len(values) == 2
    return _Value(_shape(layer), _CODES.ADD, schema.AddOptionsT(), tuple(values))


def _joined(layer: Any, values: list[_Value]) -> _Value:
    shape = _shape(layer)
    options = schema.ConcatenationOptionsT(axis=layer.axis % len(shape))
    return _Value(shape, _CODES.CONCATENATION, options, tuple(values))


def _of_unit_length(layer: Any, x: _Value) -> _Value:
    return _Value(_shape(layer), _CODES.L2_NORMALIZATION, schema.L2NormOptionsT(), (x,))


def _through(network: keras.Model, images: _Value) -> _Value:
    """What a network gives."""

    def operation(layer: Any) -> Callable[..., _Value]:
        return lambda *values, **_: _LAYERS[type(layer).__name__](layer, *values)

    (value,) = keras.tree.flatten(network._run_through_graph(images, operation))
    return value


# By the name of the class: those of `backbones` stand for Keras's own.
_LAYERS: Mapping[str, Callable[[Any, Any], _Value]] = {
    "Add": _added,
    "AveragePooling2D": _pooled,
    "BatchNormalization": _normalised,
    "Concatenate": _joined,
    "Conv2D": _convolution,
    "Cropping2D": _cropped,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Flatten": _flattened,
    "Functional": _through,
    "GlobalAveragePooling2D": _averaged,
    "MaxPooling2D": _pooled,
    "PReLU": _sloped,
    "Pad": _padded,
    "ReLU": lambda layer, x: x.rectified(),
    "Rescaling": _rescaled,
    "UnitNormalization": _of_unit_length,
}


_TYPES = {np.dtype(name): getattr(schema.TensorType, name.upper()) for name in ("float32", "float16", "int8", "int32")}


@dataclass
class _Tables:
    """A file's tables as they fill, and which tensor holds which value."""

    weights: Weights
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    tensors: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    places: dict[_Value, int] = field(default_factory=dict)

    def buffer(self, content: bytes) -> int:
        """Adds bytes: the number of their buffer."""
        self.buffers.append(schema.BufferT(data=np.frombuffer(content, np.uint8)))
        return len(self.buffers) - 1

    def computed(self, shape: Sequence[int]) -> int:
        """Adds a tensor of float32 that an operation fills: its number."""
        return self._tensor(shape, np.dtype(np.float32), 0)

    def constant(self, values: npt.NDArray[Any], quantization: Any = None) -> int:
        """Adds a tensor that the file holds: its number."""
        return self._tensor(values.shape, values.dtype, self.buffer(values.tobytes()), quantization)

    def _tensor(self, shape: Sequence[int], kind: np.dtype[Any], buffer: int, quantization: Any = None) -> int:
        name = f"tensor_{len(self.tensors)}"
        self.tensors.append(schema.TensorT([*shape], _TYPES[kind], buffer, name, quantization))
        return len(self.tensors) - 1

    def place(self, value: _Value) -> int:
        """The number of a value's tensor; adds the operation that gives it, after those that it needs."""
        if value not in self.places:
            inputs = [self.place(read) for read in value.reads]
            inputs += [self.constant(each) for each in value.constants]
            if value.kernel is not None:
                depthwise = value.code == _CODES.DEPTHWISE_CONV_2D
                inputs.append(
                    self._kernel(value.kernel[None] if depthwise else np.moveaxis(value.kernel, -1, 0), depthwise)
                )
                inputs.append(self.constant(np.asarray(value.bias, np.float32)))
            self.places[value] = self.computed(value.shape)
            if value.code >= 0:
                self._operate(value.code, value.options, inputs, self.places[value])
        return self.places[value]

    def _kernel(self, kernel: Floats, depthwise: bool) -> int:
        """Adds the weights of an operation: the number of their tensor."""
        if self.weights == "float16":
            tensor = self.computed(kernel.shape)
            self._operate(
                _CODES.DEQUANTIZE, schema.DequantizeOptionsT(), [self.constant(kernel.astype(np.float16))], tensor
            )
            return tensor
        if self.weights == "int8":
            channels = kernel.ndim - 1 if depthwise else 0
            largest = np.abs(kernel).max(axis=tuple({*range(kernel.ndim)} - {channels}), keepdims=True)
            scales = np.where(largest > 0, largest / 127, 1)
            how = schema.QuantizationParametersT(
                scale=scales.ravel().astype(np.float32),
                zeroPoint=np.zeros(scales.size, np.int64),
                quantizedDimension=channels,
            )
            return self.constant(np.rint(kernel / scales).astype(np.int8), how)
        return self.constant(kernel.astype(np.float32))

    def _operate(self, code: int, options: Any, inputs: list[int], output: int) -> None:
        if code not in self.codes:
            self.codes.append(code)
        name = "NONE" if options is None else type(options).__name__.removesuffix("T")
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=self.codes.index(code),
                inputs=inputs,
                outputs=[output],
                builtinOptionsType=getattr(_OPTIONS, name),
                builtinOptions=options,
            )
        )


def write(
    network: keras.Model, record: Mapping[str, Any], weights: Weights = "float32", *, unit_length: bool = True
) -> bytes:
    """A network in inference as the content of a LiteRT file, for one image.

    Args:
        network: as `network.build` makes it, of the layers in `_LAYERS`.
        record: what the file says of itself; see components/litert/README.md.
        weights: how they are stored. The arithmetic is in float32; with int8 weights LiteRT quantises activations too,
            as they come.
        unit_length: or else the embedding is left as it is before it is brought to length 1.
    """
    tables, images = _Tables(weights), _Value((1, *network.input_shape[1:]))
    embedding = _through(network, images)
    if not unit_length:
        (embedding,) = embedding.reads
    inputs, outputs = [tables.place(images)], [tables.place(embedding)]
    entry = schema.MetadataT(LITERT_ENTRY, tables.buffer(json.dumps(record, allow_nan=False).encode()))
    graph = schema.SubGraphT(tables.tensors, inputs, outputs, tables.operators)
    signature = schema.SignatureDefT(
        [schema.TensorMapT("images", inputs[0])], [schema.TensorMapT("embedding", outputs[0])], "embed"
    )
    codes = [schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code) for code in tables.codes]
    model = schema.ModelT(3, codes, [graph], buffers=tables.buffers, metadata=[entry], signatureDefs=[signature])
    content: bytes = convert_object_to_bytearray(model)
    return content

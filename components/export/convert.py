"""From a network to LiteRT, in several precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize import calibrator

from components.common.preprocessing import SCALING
from components.model.lite import Weights, write
from components.model.network import scale

_WEIGHTS: Mapping[str, Weights] = {"float32": "float32", "float16": "float16", "dynamic": "int8"}
# LiteRT's fast kernels have none of them in int8: the network would fall into a piece for each, and take up to four
# times as long. In float32 between int8 convolutions it stays in one.
_IN_FLOAT32 = {"PRELU": keras.layers.PReLU}


def convert(
    network: keras.Model,
    variant: str,
    record: Mapping[str, Any],
    calibration: npt.NDArray[np.uint8],
    scaling: str = SCALING,
) -> bytes:
    """A variant of a network as the content of a LiteRT file.

    Args:
        network: as `components.model.network.build` makes it.
        variant: one of `results.VARIANTS`. "float16": weights of half the size, arithmetic in float32. "dynamic":
            weights in int8, activations quantised as they come. "int8": all of it, input and output too, unless
            operations stay in float32: then input and output do too. The ranges of activations are those of the
            calibration. Weights in int8 have a scale for each channel.
        record: what the file says of itself; see `components.litert.specification.record_of`.
        calibration: uint8 [n, s, s, 3], faces that the network was trained on; only "int8" looks at them.
        scaling: of the network; see `Preprocessing`.
    """
    if variant != "int8":
        return write(network, record, _WEIGHTS[variant])
    # Before it is brought to length 1, which takes squares: eight bits have no room for them, and whoever reads the
    # output brings it to length 1 in any case.
    content = calibrator.add_intermediate_tensors(write(network, record, unit_length=False))
    faces = ([np.asarray(scale(image[None], scaling))] for image in calibration)
    ranges = calibrator.Calibrator(content).calibrate(lambda: faces)
    in_float32 = _in_float32(network)
    ends = tf.float32 if in_float32 else tf.int8
    quantised: bytes = mlir_quantize(ranges, input_data_type=ends, output_data_type=ends, denylisted_ops=in_float32)
    return quantised


def _in_float32(network: keras.Model) -> list[str]:
    layers = [inner for layer in network.layers for inner in getattr(layer, "layers", [layer])]
    return [name for name, kind in _IN_FLOAT32.items() if any(isinstance(layer, kind) for layer in layers)]

"""From a network to LiteRT, in several precisions."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.common.preprocessing import SCALING
from components.model.network import scale

VARIANTS = ("float32", "float16", "dynamic", "int8")
# LiteRT's fast kernels have none of them in int8: the network would fall into a piece for each, and take up to four
# times as long. In float32 between int8 convolutions it stays in one.
_IN_FLOAT32 = {"PRELU": keras.layers.PReLU}
# The network's own output; and what it is before it is brought to length 1, which takes squares: eight bits have no
# room for them, and whoever reads the output brings it to length 1 in any case.
_UNIT, _RAW = "embed", "embed_raw"


@dataclass(frozen=True)
class SavedModel:
    """A network as a SavedModel: its folder, and which of LiteRT's operations in it stay in float32 in int8."""

    folder: Path
    in_float32: list[str]


@contextmanager
def saved_model(network: keras.Model) -> Iterator[SavedModel]:
    """A network for `convert`, in a temporary folder that is gone afterwards.

    Both endpoints take one image: a Pi looks at one face at a time, and a fixed shape needs no reshaping.
    """
    images = tf.TensorSpec([1, *network.input_shape[1:]], tf.float32, name="images")
    archive = keras.export.ExportArchive()
    for name, model in ((_UNIT, network), (_RAW, keras.Model(network.input, network.layers[-1].input))):
        archive.track(model)
        archive.add_endpoint(name, _endpoint(model), input_signature=[images])
    with tempfile.TemporaryDirectory(prefix="facenet-export-") as folder:
        archive.write_out(folder, verbose=False)
        yield SavedModel(Path(folder), _in_float32(network))


def _in_float32(network: keras.Model) -> list[str]:
    layers = [inner for layer in network.layers for inner in getattr(layer, "layers", [layer])]
    return [name for name, kind in _IN_FLOAT32.items() if any(isinstance(layer, kind) for layer in layers)]


def _endpoint(model: keras.Model) -> Callable[[Any], dict[str, Any]]:
    def embed(images: Any) -> dict[str, Any]:
        return {"embedding": model(images, training=False)}

    return embed


def convert(model: SavedModel, variant: str, calibration: npt.NDArray[np.uint8], scaling: str = SCALING) -> bytes:
    """A variant of a network as the content of a LiteRT file.

    The converter folds BatchNorm into the convolutions before them, and quantises weights channel by channel.

    Args:
        model: of `saved_model`.
        variant: one of `VARIANTS`. "float16": weights of half the size, arithmetic in float32. "dynamic": weights in
            int8, activations quantised as they come. "int8": all of it, input and output too, unless operations stay in
            float32: then input and output do too. The ranges of activations are those of the calibration.
        calibration: uint8 [n, s, s, 3], faces that the network was trained on; only "int8" looks at them.
        scaling: of the network; see `Preprocessing`.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(model.folder), signature_keys=[_RAW if variant == "int8" else _UNIT]
    )
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = lambda: ([scale(image[None], scaling)] for image in calibration)
        if model.in_float32:
            return _partly_int8(converter, model.in_float32)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def _partly_int8(converter: Any, in_float32: list[str]) -> bytes:
    # The one way to name operations that are not to be quantised is by TensorFlow's debugger of quantisation.
    debugging = tf.lite.experimental
    options = debugging.QuantizationDebugOptions(denylisted_ops=in_float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that TensorFlow's interpreter, which the debugger opens, will go
        debugger = debugging.QuantizationDebugger(
            converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
        )
    content: bytes = debugger.get_nondebug_quantized_model()
    return content

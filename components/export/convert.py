"""From a network to LiteRT, in several precisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.model.network import scaled

VARIANTS = ("float32", "float16", "dynamic", "int8")
# The network's own output; and what it is before it is brought to length 1, which takes squares: eight bits have no
# room for them, and whoever reads the output brings it to length 1 in any case.
_UNIT, _RAW = "embed", "embed_raw"


@contextmanager
def saved(network: keras.Model) -> Iterator[Path]:
    """A network as a SavedModel for `converted`, in a temporary folder that is gone afterwards.

    Both endpoints take one image: a Pi looks at one face at a time, and a fixed shape needs no reshaping.
    """
    images = tf.TensorSpec([1, *network.input_shape[1:]], tf.float32, name="images")
    archive = keras.export.ExportArchive()
    for name, model in ((_UNIT, network), (_RAW, keras.Model(network.input, network.layers[-1].input))):
        archive.track(model)
        archive.add_endpoint(name, _endpoint(model), input_signature=[images])
    with tempfile.TemporaryDirectory(prefix="facenet-export-") as folder:
        archive.write_out(folder, verbose=False)
        yield Path(folder)


def _endpoint(model: keras.Model) -> Callable[[Any], dict[str, Any]]:
    def embed(images: Any) -> dict[str, Any]:
        return {"embedding": model(images, training=False)}

    return embed


def converted(model: Path, variant: str, calibration: npt.NDArray[np.uint8]) -> bytes:
    """A variant of a network as the content of a LiteRT file.

    The converter folds BatchNorm into the convolutions before them, and quantises weights channel by channel.

    Args:
        model: of `saved`.
        variant: one of `VARIANTS`. "float16": weights of half the size, arithmetic in float32. "dynamic": weights in
            int8, activations quantised as they come. "int8": all of it, input and output too; the ranges of
            activations are those of the calibration.
        calibration: uint8 [n, s, s, 3], faces that the network was trained on; only "int8" looks at them.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(model), signature_keys=[_RAW if variant == "int8" else _UNIT]
    )
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = lambda: ([scaled(image[None])] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content

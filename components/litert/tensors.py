"""From pixels to the numbers in a model's input, and back from those in its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.preprocessing import SCALING, STANDARDISED
from components.litert.specification import RANGES, Specification

Floats = npt.NDArray[np.float32]
# All 256 levels of grey, as an image.
_GREYS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)


def scale_pixels(images: npt.NDArray[np.uint8], specification: Specification) -> Floats:
    """What a model sees of images, in real numbers.

    Args:
        images: uint8 [n, s, s, 3], RGB.
        specification: of the model.

    Returns:
        float32 [n, s, s, 3] or [n, 3, s, s], by the specification's layout.
    """
    values = images.astype(np.float32)
    if specification.colours == "BGR":
        values = values[..., ::-1]
    scaling = specification.scaling or RANGES[SCALING]
    if scaling == STANDARDISED:
        mean = values.mean(axis=(1, 2, 3), keepdims=True)
        deviation = values.std(axis=(1, 2, 3), keepdims=True)
        # A picture of one colour has no deviation: what TensorFlow's per_image_standardization divides by then.
        values = (values - mean) / np.maximum(deviation, 1 / np.sqrt(values[0].size))
    else:
        mean, deviation = np.array([scaling.mean, scaling.deviation], np.float32)
        values = (values - mean) / deviation
    return values.transpose(0, 3, 1, 2) if specification.layout == "NCHW" else values


def quantise(values: Floats, tensor: dict[str, Any]) -> npt.NDArray[Any]:
    """Real numbers as an input tensor stores them; see https://ai.google.dev/edge/litert for its `quantization`."""
    if not np.issubdtype(tensor["dtype"], np.integer):
        return values.astype(tensor["dtype"])
    scale, zero_point = tensor["quantization"]
    whole = np.rint(values / scale + zero_point if scale else values)
    limits = np.iinfo(tensor["dtype"])
    return np.clip(whole, limits.min, limits.max).astype(tensor["dtype"])


def dequantise(values: npt.NDArray[Any], tensor: dict[str, Any]) -> Floats:
    """The real numbers that an output tensor stores."""
    scale, zero_point = tensor["quantization"]
    real = values.astype(np.float32)
    return (real - zero_point) * np.float32(scale) if scale else real


def error_in_greys(specification: Specification, tensor: dict[str, Any]) -> float:
    """How far off an input tensor stores pixels, on average over all 256 levels of grey and in such levels.

    Far where the tensor has whole numbers for another scaling: one for 0 to 255 has none of [-1, 1] but -1, 0 and 1.
    """
    wanted = scale_pixels(_GREYS, specification)
    stored = dequantise(quantise(wanted, tensor), tensor)
    axes = (2, 3) if specification.layout == "NCHW" else (1, 2)
    level = np.ptp(wanted, axis=axes, keepdims=True) / 255
    return float(np.mean(np.abs(stored - wanted) / level))

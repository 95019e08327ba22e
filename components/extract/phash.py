"""A fingerprint of what a photo shows: equal for resized and re-encoded copies of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE = 32
_KEPT = 8
# Rows of the discrete cosine transform (DCT-II), from slow to fast waves; the scale of a row does not matter here.
_WAVES = np.cos(np.pi * np.outer(np.arange(_KEPT), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))


def phash(grey: npt.NDArray[np.uint8]) -> int:
    """Perceptual hash: which of the 64 slowest waves of a picture are stronger than their median.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1.

    It is taken of the whole photo. A copy of another size moves the detector's box by a few pixels, which changes
    the hash of the crop, but not that of the photo.

    Args:
        grey: uint8 [height, width].

    Returns:
        64 bits.
    """
    small = Image.fromarray(grey).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    strengths = (_WAVES @ np.asarray(small, np.float64) @ _WAVES.T).ravel()
    # np.median would import NumPy's masked arrays, for a tenth of the time that `verify` needs to start.
    median = np.sort(strengths)[_KEPT**2 // 2 - 1 : _KEPT**2 // 2 + 1].mean()
    bits = np.packbits(strengths > median)
    return int.from_bytes(bits.tobytes(), "big")

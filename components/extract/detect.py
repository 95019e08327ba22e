"""Where the faces are: dlib's frontal face detector.

Histograms of oriented gradients under a sliding window (Dalal and Triggs, "Histograms of Oriented Gradients for
Human Detection", CVPR 2005), trained with King, "Max-Margin Object Detection" (arXiv:1502.00046).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import dlib
import numpy as np
import numpy.typing as npt

from components.extract.crop import Box

NAME = f"dlib-hog {dlib.__version__}"

# Searching the full size of a large photo costs seconds and finds hardly anything more: on a copy of this size,
# doubled once, 99 % of the faces are found, down to 1/16 of the photo's longer side.
LONG_SIDE = 640
UPSAMPLE = 1
# The detector's own threshold: lower finds more faces and more of what is none.
THRESHOLD = 0.0
# What scores more than this is nearly a face: on a larger copy of a large photo some of it is one.
NEARLY = -0.1
LARGER_SIDE = 960


@dataclass(frozen=True)
class Detection:
    """A face that was found.

    Args:
        box: in pixels of the upright photo; may leave it.
        score: the detector's confidence; larger is surer.
    """

    box: Box
    score: float


def detect(
    copy: npt.NDArray[np.uint8], width: int, height: int, upsample: int = UPSAMPLE, threshold: float = THRESHOLD
) -> list[Detection]:
    """Finds the faces of a photo, the largest first, of equally large ones the surest.

    Args:
        copy: uint8 [rows, columns] (grey) or [rows, columns, 3] (RGB), the photo scaled down to `LONG_SIDE`.
        width: of the photo itself, in pixels: what boxes are measured in.
        height: of the photo itself, in pixels.
        upsample: how often the copy is doubled before it is searched; 0 finds faces from 80 of its pixels on, for a
            quarter of the work.
        threshold: what a score must be above.
    """
    rectangles, scores, _ = _detector().run(copy, upsample, threshold)
    rows, columns = copy.shape[:2]
    found = [
        Detection(_scaled(rectangle, width / columns, height / rows), float(score))
        for rectangle, score in zip(rectangles, scores, strict=True)
    ]
    return sorted(found, key=lambda face: (-_area(face.box), -face.score, face.box))


def _scaled(rectangle: Any, across: float, down: float) -> Box:
    # dlib's right and bottom edges are the last pixels inside.
    return (
        round(rectangle.left() * across),
        round(rectangle.top() * down),
        round((rectangle.right() + 1) * across),
        round((rectangle.bottom() + 1) * down),
    )


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


@cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()

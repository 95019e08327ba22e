"""How good the picture of a face is to recognise somebody by, from 0 to 100, and what it is made of.

Measured on the crop, without a network. The parts are those quality components of ISO/IEC 29794-5 (face image data)
that can be computed so, by the formulas of its reference implementation, OFIQ 1.0.3 (BSI-OFIQ/OFIQ-Project): luminance
mean and variance, dynamic range, under- and over-exposure, illumination uniformity, inter-eye distance and head pose.
Where OFIQ uses networks, we cannot: the face is an ellipse and not the hull of 98 landmarks, the pose is that of an
average face, and sharpness is one of the features that OFIQ gives to a trained forest. Occlusion is not measured:
landmark models put their points behind hands and masks too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.alignment import AVERAGE_FACE, NONE, similarity, template
from components.common.preprocessing import Crop, Detector
from components.extract.crop import Box

Floats = npt.NDArray[np.float64]

# A face below is poor: of the real photos that the weights were fitted to, 2 % are.
POOR = 60.0
# The square of the face is brought to this side, so that sharpness means the same in every photo: one that is smaller
# has less to show. Whatever is finer, networks do not see either.
SIDE = 64
_EYES = AVERAGE_FACE[:4].reshape(2, 2).mean(axis=1)  # on the right, on the left
_EYE_DISTANCE = abs(_EYES[0] - _EYES[1])  # as a fraction of the square
# How far below the eyes and in front of them the nose of an average face is, in distances of the eyes. Below: its base
# as in AVERAGE_FACE, its tip as in BLAZEFACE_POINTS. In front: vertices 2 and 1 of MediaPipe's canonical face model,
# seen from the middle of 33, 133, 263 and 362.
_NOSE_BASE, _NOSE_TIP = (0.774, 0.41), (0.585, 0.64)


def _ellipse() -> npt.NDArray[np.bool_]:
    across, down = np.meshgrid(*2 * [(np.arange(SIDE) + 0.5) / SIDE - 0.5])
    return (across / 0.44) ** 2 + (down / 0.5) ** 2 <= 1


_FACE = _ellipse()
# What each part counts, as an exponent: fitted to real photos, as components/extract/README.md tells.
_WEIGHTS = {
    "confidence": 0.13,
    "sharpness": 0.08,
    "eye_distance": 0.06,
    "yaw": 0.28,
    "pitch": 0.34,
    "luminance_variance": 0.11,
}
# The score of dlib's detector that is half way, and how fast it rises. BlazeFace's says nothing of recognition.
_CONFIDENCE = (1.0, 0.5)
# One part alone, however bad, leaves something of the others.
_LEAST = 0.01
# The variance that is best, and below it the means of faces that are dark or glaring, rather than of little contrast.
_VARIANCE, _DIM, _GLARING = 1 / 60, 0.2, 0.6
# A part is named as a reason when it costs at least this much of what the costliest does.
_ALSO = 0.5
_CHANNEL = np.arange(256) / 255
_LINEAR = np.where(_CHANNEL <= 0.04045, _CHANNEL / 12.92, ((_CHANNEL + 0.055) / 1.055) ** 2.4)
# Rows for red, green and blue: what a channel's value adds to the luminance, 0 to 255 (IEC 61966-2-1, BT.709).
_LUMINANCE = np.outer((0.2126, 0.7152, 0.0722), 255 * _LINEAR)
# Zones on the cheeks, outward from the eyes, halfway down to the mouth; 0.3 distances of the eyes wide.
_ZONE, _ZONE_TOP = round(0.3 * _EYE_DISTANCE * SIDE), round((_EYES[1].imag + (0.818 - _EYES[1].imag) / 2) * SIDE)
_ZONES = (round(_EYES[1].real * SIDE) - _ZONE, round(_EYES[0].real * SIDE))
_DARK, _BRIGHT = slice(0, 26), slice(247, 256)


@dataclass(frozen=True)
class Pose:
    """How a head is turned, in degrees: 0, 0, 0 looks into the camera upright.

    Args:
        yaw: positive towards the right of the picture.
        pitch: positive downwards.
        roll: positive clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Quality:
    """The quality of a face and its parts; the fields are columns of the faces manifest and are described there."""

    quality: float
    sharpness: float
    eye_distance: float
    yaw: float | None
    pitch: float | None
    roll: float | None
    luminance_mean: float
    luminance_variance: float
    dynamic_range: float
    under_exposure: float
    over_exposure: float
    illumination_uniformity: float


def pose_of(eyes: tuple[complex, complex], nose: complex, below: float, in_front: float) -> tuple[Pose, float]:
    """The pose of an average face whose eyes and nose are seen at these places, from far away (weak perspective).

    With pitch p and yaw y the nose is r sin(p + a) below the eyes and r cos(p + a) sin(y) beside them, where r and a
    are its distance and angle in the upright face, and the eyes are cos(y) apart: a quadratic equation in cos(y)^2.
    Noses differ: a nose that is a tenth longer looks like a pitch of eight degrees.

    Args:
        eyes: the centres of the eye on the left and of that on the right of the picture, as x + iy in pixels.
        nose: the point of the nose.
        below: how far it is below the eyes of an average face, in distances of the eyes.
        in_front: how far in front of them.

    Returns:
        The pose, and the distance of the eyes if the head were not turned, in pixels.
    """
    left, right = eyes
    apart = right - left
    distance = max(abs(apart), 1e-6)
    seen = (nose - (left + right) / 2) / (apart / abs(apart) if apart else 1) / distance
    size, beside = below**2 + in_front**2, seen.real**2 + seen.imag**2
    total = beside + size
    cosine = math.sqrt(2 * size / (total + math.sqrt(max(0.0, total**2 - 4 * seen.imag**2 * size))))
    yaw = math.copysign(math.acos(min(1.0, cosine)), seen.real)
    pitch = math.asin(max(-1.0, min(1.0, seen.imag * cosine / math.sqrt(size)))) - math.atan2(below, in_front)
    roll = math.atan2(apart.imag, apart.real)
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll)), distance / max(cosine, 1e-6)


def components(parts: Mapping[str, Any], score: float, detector: Detector) -> dict[str, float]:
    """The parts that count, each from 0 (of no use) to 1: the standard's quality component values, over 100.

    Args:
        parts: the columns of the faces manifest that are fields of `Quality`; those that are None are left out.
        score: of the detector.
        detector: which one.
    """
    variance = parts["luminance_variance"] / _VARIANCE
    values = {
        "sharpness": _sigmoid(parts["sharpness"], 0.46, 0.115),
        "eye_distance": _sigmoid(parts["eye_distance"], 70, 20),
        "luminance_variance": math.sin(math.pi * variance / (variance + 1)),
    }
    if detector == "dlib":
        values["confidence"] = _sigmoid(score, *_CONFIDENCE)
    for angle in ("yaw", "pitch"):
        if parts[angle] is not None:
            values[angle] = max(0.0, math.cos(math.radians(parts[angle]))) ** 2
    return values


def overall(parts: Mapping[str, Any], score: float, detector: Detector) -> float:
    """The quality, 0 to 100: the weighted geometric mean of `components`; a part that is not known counts as good."""
    return 100 * math.exp(-sum(_costs(components(parts, score, detector)).values()))


def reasons(parts: Mapping[str, Any], score: float, detector: Detector) -> list[str]:
    """What lowers the quality most, in words, the worst first; see `components`."""
    costs = _costs(components(parts, score, detector))
    mean, flat = parts["luminance_mean"], parts["luminance_variance"] < _VARIANCE
    light = "too dark" if mean < _DIM else "too bright" if mean > _GLARING else "little contrast"
    words = {
        "confidence": "hardly a face",
        "sharpness": "blurred",
        "eye_distance": "too small",
        "yaw": "turned away",
        "pitch": "looking down" if (parts["pitch"] or 0) > 0 else "looking up",
        "luminance_variance": light if flat else "hard shadows",
    }
    worst = sorted(costs, key=lambda name: -costs[name])
    return [words[name] for name in worst if costs[name] >= _ALSO * costs[worst[0]]]


def _costs(values: Mapping[str, float]) -> dict[str, float]:
    return {name: -_WEIGHTS[name] * math.log(max(_LEAST, value)) for name, value in values.items()}


def _sigmoid(value: float, middle: float, width: float) -> float:
    return 1 / (1 + math.exp(min(700.0, (middle - value) / width)))


@cache
def _aligned_square(crop: Crop) -> tuple[float, float, float]:
    """Where the template's square lies in an aligned crop: left, top and side, as fractions of its side."""
    turn, shift = similarity(AVERAGE_FACE, template(crop.alignment))
    corner, whole = shift + crop.margin * (1 + 1j), 1 + 2 * crop.margin
    return corner.real / whole, corner.imag / whole, abs(turn) / whole


def _square(picture: Image.Image, crop: Crop, box: Box, crop_box: Box) -> tuple[float, float, float, float]:
    """The part of a crop that shows the face, x0, y0, x1, y1 in its pixels."""
    if crop.alignment == NONE:
        scale = picture.width / (crop_box[2] - crop_box[0])
        edges = [(edge - crop_box[axis % 2]) * scale for axis, edge in enumerate(box)]
    else:
        left, top, side = (part * picture.width for part in _aligned_square(crop))
        edges = [left, top, left + side, top + side]
    x0, y0 = (min(max(0.0, edge), picture.width - 1) for edge in edges[:2])
    return x0, y0, max(x0 + 1, min(edges[2], picture.width)), max(y0 + 1, min(edges[3], picture.height))


def measure(
    picture: Image.Image,
    crop: Crop,
    box: Box,
    crop_box: Box,
    score: float,
    landmarks: Sequence[float] | None = None,
    points: Sequence[complex] = (),
) -> Quality:
    """Measures a face.

    Args:
        picture: the crop, RGB.
        crop: what found it and how it was cut out.
        box: of the detector.
        crop_box: what was cut out.
        score: of the detector.
        landmarks: x and y of dlib's five landmarks, in pixels of the photo; None where the face was not aligned.
        points: of the detector, where it knows them, as in `Detection`. They count for more than landmarks.
    """
    face = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, _square(picture, crop, box, crop_box))
    pixels = np.asarray(face)
    luminance = sum(_LUMINANCE[channel][pixels[..., channel]] for channel in range(3))
    levels = np.floor(luminance + 0.5).astype(np.intp)
    inside = np.bincount(levels[_FACE], minlength=256) / np.count_nonzero(_FACE)
    value = np.arange(256) / 255
    mean = float(inside @ value)
    present = inside[inside > 0]
    pose: Pose | None = None
    eye_distance = (box[2] - box[0]) * float(_EYE_DISTANCE)
    if points:
        pose, eye_distance = pose_of((points[0], points[1]), points[2], *_NOSE_TIP)
    elif landmarks is not None:
        places = [complex(x, y) for x, y in zip(landmarks[::2], landmarks[1::2], strict=True)]
        eyes = ((places[2] + places[3]) / 2, (places[0] + places[1]) / 2)
        pose, eye_distance = pose_of(eyes, places[4], *_NOSE_BASE)
    measured = Quality(
        quality=0.0,
        sharpness=_sharpness(np.asarray(face.convert("L"), np.float32)),
        eye_distance=eye_distance,
        yaw=pose.yaw if pose else None,
        pitch=pose.pitch if pose else None,
        roll=pose.roll if pose else None,
        luminance_mean=mean,
        luminance_variance=float(inside @ (value - mean) ** 2),
        dynamic_range=float(-(present * np.log2(present)).sum()),
        under_exposure=float(inside[_DARK].sum()),
        over_exposure=float(inside[_BRIGHT].sum()),
        illumination_uniformity=_uniformity(levels),
    )
    return replace(measured, quality=overall(asdict(measured), score, crop.finder))


def _sharpness(grey: npt.NDArray[np.float32]) -> float:
    """The deviation of the Laplacian, relative to that of the picture, so that contrast alone adds nothing."""
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    face = _FACE[1:-1, 1:-1]
    return float(laplacian[face].std() / (inner[face].std() + 1))


def _uniformity(levels: npt.NDArray[np.intp]) -> float:
    """What the histograms of both cheeks have in common, 0 to 1."""
    rows = slice(_ZONE_TOP, _ZONE_TOP + _ZONE)
    one, other = (np.bincount(levels[rows, left : left + _ZONE].ravel(), minlength=256) for left in _ZONES)
    return float(np.minimum(one, other).sum() / _ZONE**2)

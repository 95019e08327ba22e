"""What makes a person: the shape of the head and its features first, the colours second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Colour = tuple[float, float, float]

# From dark to light; people with deep skin have the first four.
_HAIR: tuple[Colour, ...] = (
    (0.08, 0.07, 0.07), (0.13, 0.10, 0.08), (0.22, 0.15, 0.10), (0.48, 0.47, 0.46), (0.33, 0.22, 0.14),
    (0.48, 0.24, 0.12), (0.45, 0.31, 0.18), (0.62, 0.47, 0.28), (0.74, 0.73, 0.71),
)  # fmt: skip
_IRIS: tuple[Colour, ...] = (
    (0.20, 0.12, 0.07), (0.30, 0.19, 0.10), (0.36, 0.34, 0.20), (0.30, 0.42, 0.45), (0.38, 0.46, 0.58),
)  # fmt: skip
_LIGHT_SKIN, _DEEP_SKIN = np.array((0.92, 0.75, 0.66)), np.array((0.50, 0.35, 0.27))


@dataclass(frozen=True)
class Person:
    """The traits that all photos of a person share.

    Lengths are in half head widths of an average head; heights are downwards from the middle of the face, so that
    eyes lie near -0.2, the chin near 1.25 and the crown near -1.35. Colours are RGB from 0 to 1.
    """

    width: float  # of the head at the cheekbones, half of it
    crown: float  # height of the skull above the middle of the face
    chin_height: float
    jaw_taper: float  # how much narrower the head is at the chin
    jaw_squareness: float  # exponent of the lower outline: 1.8 pointed, 3.4 square
    chin: float  # how far the chin comes forward
    cheekbones: float
    eye_spacing: float  # from the middle of the face to the middle of an eye
    eye_height: float
    eye_width: float
    eye_opening: float
    eye_slant: float  # rise of the outer corner
    eye_depth: float  # of the socket
    brow_gap: float  # between eye and brow
    brow_thickness: float
    brow_length: float
    brow_arch: float
    brow_tilt: float  # rise of the outer end
    nose_height: float  # of its tip
    nose_width: float
    nose_projection: float
    nose_bridge: float  # width of the bridge
    nose_hump: float
    mouth_height: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear_size: float
    ear_angle: float  # how far the ears stand out
    folds: float  # depth of the folds from nose to mouth
    hairline: float  # height of the hairline above the middle of the face
    hairline_bow: float  # how much it comes down at the temples
    hair_part: float  # slope of the hairline
    hair_volume: float
    hair_length: float  # height that the hair hangs down to
    hair_curl: float  # 0 straight, 1 curly
    moustache: float  # 0 none, 1 dense; goatee and whiskers alike
    goatee: float
    whiskers: float
    glasses: float  # the share of photos in which they are worn
    lens_width: float
    lens_height: float
    lens_roundness: float  # exponent of the lens outline: 2 round, 6 rectangular
    skin: Colour
    hair: Colour
    brows: Colour
    iris: Colour
    lips: Colour
    texture: int  # the seed of the strands of the hair and the blotches of the skin


def person(seed: int, number: int) -> Person:
    """Draws a person; the same seed and number always give the same person, whoever else is drawn."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    between = rng.uniform
    depth = between(0, 1)
    skin = _LIGHT_SKIN + (_DEEP_SKIN - _LIGHT_SKIN) * depth + between(-0.03, 0.03, 3)
    hair = np.array(_HAIR[rng.integers(4 if depth > 0.5 else len(_HAIR))]) * between(0.85, 1.15)
    chin_height = between(1.12, 1.38)
    long_hair = between() < 0.45
    beard = 0.0 if long_hair or between() < 0.45 else between(0.45, 1)
    bald = not long_hair and between() < 0.22
    return Person(
        width=between(0.78, 1.04),
        crown=between(1.22, 1.42),
        chin_height=chin_height,
        jaw_taper=between(0.02, 0.34),
        jaw_squareness=between(1.8, 3.4),
        chin=between(-0.3, 1.3),
        cheekbones=between(-0.4, 1.4),
        eye_spacing=between(0.33, 0.43),
        eye_height=between(-0.29, -0.14),
        eye_width=between(0.13, 0.215),
        eye_opening=between(0.055, 0.105),
        eye_slant=between(-0.18, 0.18),
        eye_depth=between(0.6, 1.5),
        brow_gap=between(0.14, 0.23),
        brow_thickness=between(0.016, 0.065),
        brow_length=between(0.17, 0.27),
        brow_arch=between(0.0, 0.09),
        brow_tilt=between(-0.2, 0.2),
        nose_height=between(0.17, 0.37),
        nose_width=between(0.11, 0.24),
        nose_projection=between(0.65, 1.4),
        nose_bridge=between(0.05, 0.10),
        nose_hump=between(-0.25, 0.55),
        mouth_height=chin_height * between(0.47, 0.55),
        mouth_width=between(0.20, 0.42),
        upper_lip=between(0.025, 0.085),
        lower_lip=between(0.04, 0.12),
        ear_size=between(0.75, 1.3),
        ear_angle=between(0.0, 0.13),
        folds=between(0.0, 1.0),
        hairline=between(1.15, 1.4) if bald else between(0.66, 1.0),
        hairline_bow=between(1.0, 1.4) if bald else between(0.5, 1.3),
        hair_part=0.0 if bald else between(-0.3, 0.3),
        hair_volume=0.02 if bald else between(0.05, 0.30),
        hair_length=between(0.5, 1.9) if long_hair else between(-0.35, 0.15),
        hair_curl=max(0.0, between(-0.6, 1)),
        moustache=0.9 * beard * (between() < 0.75),
        goatee=beard * (between() < 0.65),
        whiskers=0.75 * beard * (between() < 0.5),
        glasses=between(0.5, 1) if between() < 0.2 else 0.0,
        lens_width=between(0.22, 0.29),
        lens_height=between(0.14, 0.22),
        lens_roundness=between(2, 6),
        skin=_colour(skin),
        hair=_colour(hair),
        # Brows are darker than the skin whatever the hair, or they would not be seen.
        brows=_colour(np.minimum(0.75 * hair, 0.5 * skin)),
        iris=_IRIS[rng.integers(len(_IRIS))],
        lips=_colour(skin * (between(0.86, 1.0), between(0.58, 0.72), between(0.62, 0.76))),
        texture=int(rng.integers(2**32)),
    )


def _colour(rgb: npt.NDArray[np.float64]) -> Colour:
    red, green, blue = np.clip(rgb, 0.02, 0.98).tolist()
    return red, green, blue

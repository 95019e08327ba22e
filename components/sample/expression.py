"""What moves in a face and what is put on it: eyes, brows, mouth, glasses, clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.sample.person import Person
from components.sample.surface import FLOOR, Surface, bump, ramp


@dataclass(frozen=True)
class Expression:
    """How a face looks in one photo.

    Args:
        smile: -0.3 sullen, 0 neutral, 1 a broad smile.
        mouth_open: gap between the lips, in the units of `Person`.
        lids: how far the eyes are open: 0.7 narrowed, 1 as usual, 1.15 wide.
        brows: how far the brows are raised, in the units of `Person`.
        gaze: where the eyes look, right and down, in the units of `Person`.
    """

    smile: float
    mouth_open: float
    lids: float
    brows: float
    gaze: tuple[float, float]


def expression(rng: np.random.Generator) -> Expression:
    """Draws an expression."""
    smile = rng.uniform(-0.3, 1.0)
    return Expression(
        smile=smile,
        mouth_open=max(0.0, rng.uniform(-0.08, 0.08)),
        lids=rng.uniform(0.75, 1.12) - 0.1 * max(smile, 0),
        brows=rng.uniform(-0.02, 0.035),
        gaze=(rng.uniform(-0.035, 0.035), rng.uniform(-0.012, 0.012)),
    )


def express(surface: Surface, person: Person, face: Expression) -> None:
    """Adds eyes, brows and mouth with an expression to a bust."""
    for side in (-1, 1):
        _eye(surface, person, face, side)
        _brow(surface, person, face, side)
    _mouth(surface, person, face)


def _eye(surface: Surface, person: Person, face: Expression, side: int) -> None:
    patch = surface.patch(side * person.eye_spacing, person.eye_height, 0.42, 0.32)
    x = (patch.u - side * person.eye_spacing) * side
    y = patch.v - person.eye_height + person.eye_slant * x
    patch.height[:] -= 0.13 * person.eye_depth * bump(x, 0.22) * bump(y + 0.02, 0.13)
    patch.height[:] += 0.09 * bump(x, 0.14) * bump(y, 0.10)
    width, opening = person.eye_width, person.eye_opening * face.lids
    curve = np.clip(1 - np.square(x / width), 0, None)
    upper, lower = -opening * curve**0.7, 0.62 * opening * curve
    eye = ramp(np.minimum(y - upper, lower - y)) * (curve > 0)
    patch.shade(0.5 * bump(x, 0.2) * bump(y - 0.02, 0.11), (0.82, 0.72, 0.72))
    patch.paint(eye, (0.78, 0.75, 0.73))
    patch.shade(eye * ramp(0.03 - (y - upper), 0.06), 0.55)
    from_iris = np.hypot(x * side - face.gaze[0], y + 0.12 * opening - face.gaze[1])
    patch.paint(eye * ramp(0.078 - from_iris), np.square(person.iris))
    patch.shade(eye * bump(from_iris - 0.075, 0.012), 0.35)
    patch.paint(eye * ramp(0.034 - from_iris), (0.005, 0.005, 0.005))
    patch.polish(eye, 1.0)
    edge = ramp(width * 1.05 - np.abs(x), 0.04)
    patch.shade(0.92 * bump(y - upper, 0.02) * edge, 0.06)
    patch.shade(0.5 * bump(y - lower, 0.014) * edge, 0.35)
    patch.shade(0.5 * bump(y - upper + 0.055, 0.018) * edge, 0.45)
    patch.shade(0.35 * bump(y - lower - 0.07, 0.03) * bump(x, 0.15), 0.7)


def _brow(surface: Surface, person: Person, face: Expression, side: int) -> None:
    height = person.eye_height - person.brow_gap - face.brows
    patch = surface.patch(side * person.eye_spacing, height, 0.42, 0.25)
    x = (patch.u - side * person.eye_spacing) * side
    along = x / person.brow_length
    y = patch.v - height + person.brow_tilt * x + person.brow_arch * (1 - np.square(along - 0.25))
    y = y + 0.006 * np.sin(70 * x + 40 * y)
    thickness = person.brow_thickness * (1.1 - 0.45 * np.clip(along, -0.5, 1))
    patch.height[:] += 0.06 * person.eye_depth * bump(x, 0.26) * bump(y, 0.07)
    fringe = person.hairline < -height
    mask = 0.9 * bump(y, thickness) * ramp(person.brow_length - np.abs(x), 0.08)
    patch.paint(mask * (0.3 if fringe else 1.0), np.square(person.brows))


def _mouth(surface: Surface, person: Person, face: Expression) -> None:
    patch = surface.patch(0, person.mouth_height, 0.62, 0.36)
    smile = max(face.smile, 0.0)
    width = person.mouth_width * (1 + 0.12 * face.smile)
    x = patch.u / width
    y = patch.v - person.mouth_height + 0.16 * face.smile * width * (np.square(x) - 0.4)
    curve = np.clip(1 - np.square(x), 0, None)
    gap = (face.mouth_open + 0.05 * smile * (smile > 0.5)) * curve
    bow = 1 - 0.3 * bump(patch.u, 0.045) + 0.12 * bump(np.abs(patch.u) - 0.075, 0.05)
    top = -0.5 * gap - person.upper_lip * (1 - 0.25 * smile) * curve**0.7 * bow
    bottom = 0.5 * gap + person.lower_lip * (1 - 0.2 * smile) * curve**0.6
    lips = ramp(np.minimum(y - top, bottom - y), 0.03) * (curve > 0)
    inner = ramp(np.minimum(y + 0.5 * gap, 0.5 * gap - y)) * (curve > 0)
    patch.height[:] += 0.05 * bump(patch.u, 1.1 * width) * bump(y, 0.16)
    patch.height[:] += 0.05 * lips * (1 - 2.0 * bump(y, 0.02))
    patch.paint(0.85 * lips, np.square(person.lips))
    patch.polish(lips, 0.55)
    patch.paint(inner, (0.03, 0.008, 0.008))
    teeth = inner * ramp(0.72 * gap - 0.5 * gap - y, 0.03) * ramp(0.82 - np.abs(x), 0.1)
    patch.paint(0.9 * teeth, (0.72, 0.68, 0.6))
    patch.shade(0.85 * bump(np.abs(y) - 0.5 * gap, 0.014) * ramp(1.02 - np.abs(x), 0.1), 0.12)
    patch.shade(0.4 * bump(y - bottom - 0.03, 0.03) * curve, 0.6)
    for side in (-1, 1):
        patch.shade(0.6 * bump(patch.u - side * width, 0.04) * bump(y, 0.04), 0.4)


def dress(surface: Surface, rng: np.random.Generator) -> None:
    """Adds shoulders in clothes of any colour and cut, so that clothes say nothing about the person."""
    body = surface.patch(0, 2.1, 3, 0.9)
    across = np.abs(body.u)
    top = 1.42 + 0.13 * np.square(body.u) + 0.1 * across + 6 * np.square(np.clip(across - 1.3, 0, None))
    height = -0.40 + 0.35 * np.sqrt(np.clip((body.v - top) / 1.2, 0, 1)) - 0.05 * np.square(body.u)
    inside = ramp(body.v - top)
    np.maximum(body.height, FLOOR + inside * (height - FLOOR), out=body.height)
    cut = np.square(body.u / 0.62) + np.square((body.v - 1.3) / rng.uniform(0.2, 0.55)) - 1
    cloth = inside * ramp(0.3 * cut)
    body.paint(cloth, np.square(rng.uniform(0.05, 0.9) + rng.uniform(-0.25, 0.25, 3)))
    stripes = rng.choice((0, 0, 0.5)) * ramp(
        np.sin(rng.uniform(8, 40) * (body.v if rng.uniform() < 0.6 else body.u)), 0.5
    )
    body.shade(cloth * stripes, rng.uniform(0.3, 1.0, 3))
    body.height[:] += 0.05 * cloth
    body.polish(cloth, 0.0)


def wear_glasses(surface: Surface, person: Person, grey: float) -> None:
    """Puts glasses on; the frame stands out from the face, so that it throws a shadow."""
    v = person.eye_height + 0.03
    frame = surface.patch(0, v, 1.1, 0.4)
    x, y = np.abs(frame.u) - person.eye_spacing, frame.v - v
    norm = (
        np.abs(x / person.lens_width) ** person.lens_roundness + np.abs(y / person.lens_height) ** person.lens_roundness
    )
    distance = np.abs(norm ** (1 / person.lens_roundness) - 1) * person.lens_height
    rim = ramp(0.018 - distance)
    inner = person.eye_spacing - person.lens_width
    bridge = ramp(0.018 - np.abs(y + 0.04)) * (np.abs(frame.u) < inner)
    temple = ramp(0.02 - np.abs(y + 0.04)) * (x > person.lens_width) * (frame.height > -0.25)
    mask = np.maximum(np.maximum(rim, bridge), temple)
    frame.height[:] += 0.07 * mask
    frame.paint(mask, grey)
    frame.polish(mask, 0.8)

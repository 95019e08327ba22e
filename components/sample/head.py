"""The bust of a person: what never changes between photos."""

from __future__ import annotations

import numpy as np

from components.sample.person import Person
from components.sample.surface import DENSITY, Array, Surface, bump, noise, ramp

# How far the middle of the face lies before the outline of the head.
DEPTH = 0.9
# Parts are coloured this far beyond their outline, so that a side seen from an angle has their colour too.
WALL = 2 / DENSITY


def bust(person: Person) -> Surface:
    """Models head, hair, beard, ears and neck, without what an expression moves."""
    rng = np.random.default_rng(person.texture)
    skin, hair = np.square(person.skin), np.square(person.hair)
    surface = Surface.empty(0.45 * skin)
    strands = _strands(rng, person, surface)
    _hair_behind(surface, person, hair, strands)
    _neck(surface, person, skin)
    for side in (-1, 1):
        _ear(surface, person, skin, side)
    _skull(surface, person, skin, rng)
    _nose(surface, person)
    _cheeks_and_chin(surface, person)
    _beard(surface, person, hair, strands)
    _hair(surface, person, hair, strands)
    return surface


def _radius(surface: Surface, person: Person, volume: float = 0.0, sides: Array | float = 0.0) -> Array:
    """Squared distance from the head's axis: 1 on its outline, enlarged by `volume`, and by `sides` across."""
    up = np.clip(-surface.v, 0, None) / (person.crown + volume)
    down = np.clip(surface.v, 0, None) / (person.chin_height + volume)
    width = person.width * (1 - person.jaw_taper * np.square(np.clip(surface.v, 0, None))) + sides
    return np.square(surface.u / width) + up**2.3 + down**person.jaw_squareness


def _strands(rng: np.random.Generator, person: Person, surface: Surface) -> Array:
    """The texture of the hair from about -1 to 1: long and thin when straight, round when curly."""
    straight = noise(rng, surface.height, (0.04, 0.9)) + 0.6 * noise(rng, surface.height, (0.1, 1.5))
    curly = noise(rng, surface.height, (0.09, 0.09)) + 0.5 * noise(rng, surface.height, (0.2, 0.2))
    return (1 - person.hair_curl) * straight + person.hair_curl * curly


def _hair_behind(surface: Surface, person: Person, hair: Array, strands: Array) -> None:
    """What hangs down behind ears and neck."""
    if person.hair_length < 0.3:
        return
    wide = person.width + 0.8 * person.hair_volume + 0.06 * np.clip(surface.v, 0, None)
    tip = person.hair_length + 0.08 * strands - 0.3 * np.square(surface.u)
    mask = ramp(wide + 0.03 * strands - np.abs(surface.u)) * ramp(tip - surface.v, 0.15) * (surface.v > -0.6)
    surface.lift(mask, -0.45 + 0.03 * strands + 0.25 * np.sqrt(np.clip(1 - np.square(surface.u / wide), 0, 1)))
    surface.paint(mask, hair)
    surface.shade(mask * np.clip(0.5 + 0.6 * strands, 0, 1), 0.45)


def _neck(surface: Surface, person: Person, skin: Array) -> None:
    half = 0.62 * person.width * (1 + 0.12 * np.square(np.clip(surface.v - 1.0, 0, None)))
    mask = ramp(half - np.abs(surface.u)) * (surface.v > 0.3)
    # It leans back into the shoulders, so that they cover its lower end.
    back = 0.4 + 0.5 * np.clip(surface.v - 1.4, 0, None)
    surface.lift(mask, 0.42 * np.sqrt(np.clip(1 - np.square(surface.u / half), 0, 1)) - back)
    surface.paint(mask, skin)


def _ear(surface: Surface, person: Person, skin: Array, side: int) -> None:
    middle = side * (person.width + 0.2 * person.ear_angle + 0.01)
    patch = surface.patch(middle, 0.02, 0.4, 0.5)
    x = (patch.u - middle - side * 0.08 * -patch.v) / ((0.11 + person.ear_angle) * person.ear_size)
    y = (patch.v - 0.02) / (0.3 * person.ear_size)
    radius = np.square(x) + np.square(y) * (1 + 0.25 * y)
    mask = ramp(0.1 * (1 - radius))
    patch.lift(mask, -0.2 + 0.1 * bump(radius - 0.8, 0.3) + 0.04 * bump(radius - 0.15, 0.2))
    patch.paint(ramp(0.1 * (1 - radius) + WALL), skin * (1.0, 0.85, 0.82))
    patch.shade(mask * bump(radius - 0.4, 0.25), 0.6)


def _skull(surface: Surface, person: Person, skin: Array, rng: np.random.Generator) -> None:
    head = surface.patch(0, 0, 1.3, 1.6)
    radius = _radius(head, person)
    distance = 0.5 * person.width * (1 - radius)
    head.lift(ramp(distance), DEPTH * np.clip(1 - radius, 0, None) ** 0.45)
    mask = ramp(distance + WALL)
    blotches = noise(rng, head.height, (0.12, 0.12))
    head.paint(mask, skin)
    head.shade(mask * (0.5 + 0.5 * blotches), (0.96, 0.91, 0.90))
    head.polish(mask, 0.35)


def _nose(surface: Surface, person: Person) -> None:
    patch = surface.patch(0, 0.1, 0.55, 0.65)
    tip, root = person.nose_height, person.eye_height - 0.1
    along = np.clip((patch.v - root) / (tip - root), 0, 1)
    profile = along**1.3 + person.nose_hump * along * (1 - along)
    profile = np.where(patch.v > tip, bump(patch.v - tip, 0.11), profile)
    width = person.nose_bridge + (0.75 * person.nose_width - person.nose_bridge) * along**2.5
    patch.height[:] += 0.36 * person.nose_projection * profile * bump(patch.u, width)
    for side in (-1, 1):
        wing = bump(patch.u - side * 0.8 * person.nose_width, 0.075) * bump(patch.v - tip - 0.02, 0.08)
        patch.height[:] += 0.11 * wing
        nostril = bump(patch.u - side * 0.48 * person.nose_width, 0.26 * person.nose_width) * bump(
            patch.v - tip - 0.085, 0.032
        )
        patch.shade(0.95 * nostril, 0.12)
    patch.shade(0.5 * bump(patch.u, 0.12) * bump(patch.v - tip, 0.1), (1.08, 0.88, 0.86))


def _cheeks_and_chin(surface: Surface, person: Person) -> None:
    head = surface.patch(0, 0.4, 1.0, 1.0)
    for side in (-1, 1):
        cheek = bump(head.u - side * 0.56 * person.width, 0.24) * bump(head.v - 0.12, 0.22)
        head.height[:] += 0.09 * person.cheekbones * cheek
        head.shade(0.6 * cheek, (1.05, 0.85, 0.84))
        across = head.u * side - person.nose_width - 0.07 - 0.45 * (head.v - person.nose_height)
        middle = 0.5 * (person.nose_height + person.mouth_height)
        fold = bump(across, 0.035) * bump(head.v - middle, 0.2)
        head.height[:] -= 0.035 * person.folds * fold
        head.shade(0.35 * person.folds * fold, 0.6)
    chin = 0.86 * person.chin_height
    head.height[:] += 0.12 * person.chin * bump(head.u, 0.24) * bump(head.v - chin, 0.13)
    below_lip = person.mouth_height + person.lower_lip + 0.05
    head.height[:] -= 0.05 * bump(head.u, 0.2) * bump(head.v - below_lip, 0.05)


def _beard(surface: Surface, person: Person, hair: Array, strands: Array) -> None:
    if person.moustache + person.goatee + person.whiskers == 0:
        return
    u, v, mouth = surface.u, surface.v, person.mouth_height
    across = np.abs(u) / person.width
    inside = ramp(0.6 * (1 - _radius(surface, person)), 0.1)
    around_mouth = ramp(
        0.25 * (np.square(u / (0.9 * person.mouth_width)) + np.square((v - mouth - 0.03) / 0.15) - 1), 0.12
    )
    line = mouth + 0.12 - 0.9 * np.clip(across - 0.45, 0, None) + 0.04 * strands
    whiskers = person.whiskers * ramp(v - line, 0.1) * ramp(np.maximum(across - 0.5, v - mouth - 0.25), 0.15)
    goatee = person.goatee * ramp(0.26 - np.abs(u) + 0.1 * (v - mouth), 0.12) * ramp(v - mouth - 0.16, 0.1)
    middle = 0.42 * person.nose_height + 0.58 * mouth + 0.12 * np.square(u / person.mouth_width)
    moustache = person.moustache * bump(v - middle, 0.045) * ramp(1.05 * person.mouth_width - np.abs(u), 0.08)
    mask = np.maximum(np.maximum(whiskers, goatee) * around_mouth, moustache) * inside
    surface.height[:] += mask * (0.04 + 0.012 * strands)
    surface.paint(np.clip(mask * (0.7 + 0.2 * strands), 0, 0.9), hair)
    surface.polish(mask, 0.1)


def _hair(surface: Surface, person: Person, hair: Array, strands: Array) -> None:
    u, v = surface.u, surface.v
    volume = person.hair_volume
    # Cut hair lies close to the head where it ends.
    radius = _radius(surface, person, volume, volume * np.clip((person.hair_length - v) / 0.9, 0.1, 1))
    across = np.clip(np.abs(u) / person.width, 0, 1.1)
    line = -person.hairline + person.hair_part * u + person.hairline_bow * across**4 + 0.03 * strands
    end = np.where(across > 0.8, person.hair_length, 0.6) + 0.05 * strands
    mask = ramp(0.5 * (1 - radius) + 0.02 * strands) * ramp(line - v, 0.04) * ramp(end - v, 0.06)
    height = (DEPTH + 0.5 * volume) * np.clip(1 - radius, 0, None) ** 0.45 + 0.03 * strands
    # Hair lies flat where it begins, except at the sides, where there is no skull below it.
    thickness = ramp(line - v - 0.22, 0.55)
    surface.lift(mask * np.maximum(thickness, np.clip(2.5 * radius - 0.9, 0, 1)), height)
    mask = ramp(0.5 * (1 - radius) + 0.02 * strands + WALL) * ramp(line - v, 0.04) * ramp(end - v, 0.06)
    surface.paint(mask, hair)
    surface.shade(mask * np.clip(0.45 + 0.6 * strands, 0, 1), 0.45)
    surface.polish(mask, 0.5)

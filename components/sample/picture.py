"""A photo of a person: pose, light, background and camera."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter

from components.sample.expression import dress, express, expression, wear_glasses
from components.sample.head import bust
from components.sample.light import illuminate
from components.sample.person import Person, person
from components.sample.surface import Array, Surface, bump
from components.sample.view import project, rotation


def portraits(seed: int, number: int, photos: int) -> Iterator[bytes]:
    """Photos of one person, as JPEG; each depends only on the seed, the person and its own number."""
    who = person(seed, number)
    model = bust(who)
    for photo in range(photos):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, photo)))
        encoded = io.BytesIO()
        photograph(who, model, rng).save(encoded, "JPEG", quality=int(rng.integers(82, 96)))
        yield encoded.getvalue()


def photograph(who: Person, model: Surface, rng: np.random.Generator) -> Image.Image:
    """Takes one photo of a bust.

    Args:
        who: the person.
        model: the person's bust; not changed.
        rng: decides everything about the photo.

    Returns:
        RGB, 200 to 480 pixels wide and high.
    """
    surface = model.copy()
    dress(surface, rng)
    express(surface, who, expression(rng))
    if rng.uniform() < who.glasses:
        wear_glasses(surface, who, rng.choice((0.01, 0.02, 0.15)))
    turn = rotation(rng.uniform(-0.26, 0.26), rng.uniform(-0.12, 0.13), rng.uniform(-0.11, 0.11))
    width = int(200 + 280 * rng.uniform() ** 3)
    height = int(np.clip(width * rng.uniform(0.9, 1.3), 200, 480))
    scale = min(width, height) * rng.uniform(0.27, 0.34)
    across, down = rng.uniform(-0.05, 0.05, 2)
    person_part, cover = project(
        surface.height,
        _expose(illuminate(surface, _lamp(rng, turn), turn[2], rng.uniform(0.3, 0.6)), rng),
        turn,
        scale=scale,
        centre=((0.5 + across) * width, (0.5 + down) * height - 0.1 * scale),
        size=(width, height),
    )
    picture = _background(rng, width, height)
    person_part -= picture
    person_part *= cover
    picture += person_part
    return _develop(picture, rng)


def _lamp(rng: np.random.Generator, turn: Array) -> Array:
    """The direction to a lamp in front of the person, in the axes of the turned person."""
    lamp = np.array((rng.uniform(-0.75, 0.75), rng.uniform(-0.8, 0.1), 1), np.float32)
    lamp /= np.sqrt(np.sum(lamp * lamp))
    return np.einsum("i,ij->j", lamp, turn)


def _expose(light: Array, rng: np.random.Generator) -> Array:
    """Linear light as a camera encodes it: white balance, exposure, gamma 2, saturation."""
    balance = rng.uniform(0.85, 1.18, (3, 1, 1)) * rng.uniform(0.8, 1.3)
    encoded = np.sqrt(light * balance.astype(np.float32))
    grey = encoded.mean(0)
    return grey + np.float32(rng.uniform(0.5, 1.15)) * (encoded - grey)


def _background(rng: np.random.Generator, width: int, height: int) -> Array:
    """Soft spots of light and colour, out of focus: encoded RGB [3, height, width]."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    picture = np.empty((3, height, width), np.float32)
    picture[:] = _muted_colour(rng, rng.uniform(0.15, 0.85))
    for _ in range(rng.integers(2, 7)):
        across = bump(x - rng.uniform(0, 1), rng.uniform(0.1, 0.7))
        spot = across * bump(y - rng.uniform(0, 1), rng.uniform(0.1, 0.7))
        for plane, strength in zip(picture, _muted_colour(rng, rng.uniform(-0.4, 0.4)), strict=True):
            np.add(plane, strength * spot, out=plane)
    return picture


def _muted_colour(rng: np.random.Generator, grey: float) -> Array:
    """A colour near a grey, [3, 1, 1]."""
    return (grey + rng.uniform(-0.15, 0.15, (3, 1, 1))).astype(np.float32)


def _develop(picture: Array, rng: np.random.Generator) -> Image.Image:
    """Adds the sensor's noise, and to every third photo a little blur."""
    noise = rng.standard_normal(picture.shape[1:], np.float32)
    noise *= np.float32(255 * rng.uniform(0.003, 0.015))
    picture *= 255
    picture += noise
    np.clip(picture, 0, 255, out=picture)
    image = Image.merge("RGB", [Image.fromarray(plane) for plane in picture.astype(np.uint8)])
    return image.filter(ImageFilter.BoxBlur(rng.uniform(0.3, 0.8))) if rng.uniform() < 1 / 3 else image

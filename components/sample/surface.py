"""A height field with a colour at every point, and the few strokes that everything is modelled with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

# float32, except for single positions and factors.
Array = npt.NDArray[np.floating[Any]]

# Points per unit of length; the average head is two units wide. Photos show 54 to 163 pixels per unit.
DENSITY = 56
LEFT, RIGHT, TOP, BOTTOM = -1.9, 1.9, -1.8, 2.65
# Height of the empty space around a bust, and how far its outline reaches back.
FLOOR = -0.7


@dataclass(frozen=True)
class Surface:
    """A part of the plane with its heights and colours; `patch` gives smaller parts that share their memory.

    Args:
        u: position to the right, [1, columns].
        v: position downwards, [rows, 1].
        height: towards the viewer, [rows, columns]; `FLOOR` is empty space.
        colour: linear RGB from 0 to 1, [3, rows, columns].
        gloss: strength of highlights from 0 to 1, [rows, columns].
    """

    u: Array
    v: Array
    height: Array
    colour: Array
    gloss: Array

    @classmethod
    def empty(cls, colour: npt.ArrayLike) -> Surface:
        """The whole plane, all of it empty space; its colour is what the sides of a head get."""
        u = np.arange(LEFT + 0.5 / DENSITY, RIGHT, 1 / DENSITY, dtype=np.float32)[None]
        v = np.arange(TOP + 0.5 / DENSITY, BOTTOM, 1 / DENSITY, dtype=np.float32)[:, None]
        shape = (v.size, u.size)
        colours = np.empty((3, *shape), np.float32)
        colours[:] = np.reshape(colour, (3, 1, 1))
        return cls(u, v, np.full(shape, FLOOR, np.float32), colours, np.zeros(shape, np.float32))

    def copy(self) -> Surface:
        """A surface of its own with the same content."""
        return Surface(self.u, self.v, self.height.copy(), self.colour.copy(), self.gloss.copy())

    def patch(self, u: float, v: float, width: float, height: float) -> Surface:
        """The part within `width` and `height` of a point."""
        columns = slice(*np.searchsorted(self.u[0], (u - width, u + width)))
        rows = slice(*np.searchsorted(self.v[:, 0], (v - height, v + height)))
        return Surface(
            self.u[:, columns],
            self.v[rows],
            self.height[rows, columns],
            self.colour[:, rows, columns],
            self.gloss[rows, columns],
        )

    def paint(self, mask: Array, colour: npt.ArrayLike) -> None:
        """Covers with a colour where `mask` is 1, in part where it is between 0 and 1."""
        self.colour[:] += mask * (_planes(colour) - self.colour)

    def shade(self, mask: Array, factor: npt.ArrayLike) -> None:
        """Multiplies the colour by `factor` where `mask` is 1."""
        self.colour[:] *= 1 + mask * (_planes(factor) - 1)

    def lift(self, mask: Array, height: Array | float) -> None:
        """Moves the surface to a height where `mask` is 1."""
        self.height[:] += mask * (height - self.height)

    def polish(self, mask: Array, gloss: float) -> None:
        """Sets the gloss where `mask` is 1."""
        self.gloss[:] += mask * (gloss - self.gloss)


def _planes(colour: npt.ArrayLike) -> Array:
    """A colour, or one factor for all three, as it broadcasts over [3, rows, columns]."""
    return np.asarray(colour, np.float32).reshape(-1, 1, 1)


def ramp(distance: Array, softness: float = 1.5 / DENSITY) -> Array:
    """0 to 1 as a signed distance goes from -softness/2 to softness/2: an antialiased edge, or a soft one."""
    return np.clip(distance / np.float32(softness) + np.float32(0.5), 0, 1)


def bump(x: Array, width: float | Array) -> Array:
    """A Gaussian of `x` that falls to 1/e at `width`; a bump in the plane is the product of two of them."""
    return np.exp(-np.square(x / width, dtype=np.float32))


def noise(rng: np.random.Generator, like: Array, cell: tuple[float, float]) -> Array:
    """Smooth noise from about -1 to 1 on the grid of `like`, with cells of (width, height) units."""
    rows, columns = like.shape
    size = (int(columns / DENSITY / cell[0]) + 2, int(rows / DENSITY / cell[1]) + 2)
    coarse = rng.uniform(-1, 1, size[::-1]).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC))


class Shifts:
    """An array seen from places up to `margin` points away, its border repeated; without copying it each time."""

    def __init__(self, array: Array, margin: int) -> None:
        self._padded = np.pad(array, margin, mode="edge")
        self._margin = margin
        self._shape = array.shape

    def __call__(self, across: int, down: int) -> Array:
        """The values `across` columns to the right and `down` rows below each point."""
        row, column = self._margin + down, self._margin + across
        return self._padded[row : row + self._shape[0], column : column + self._shape[1]]

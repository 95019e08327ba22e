"""How a surface looks under a lamp: diffuse light, highlights, shadows, and less light in the hollows."""

from __future__ import annotations

import numpy as np
from PIL import Image

from components.sample.surface import DENSITY, Array, Shifts, Surface


def illuminate(surface: Surface, lamp: Array, viewer: Array, ambient: float) -> Array:
    """Colours of a surface under one lamp and under light from all around.

    Lambert's law, Blinn and Phong's highlights, shadows by walking towards the lamp.

    Args:
        surface: what is lit.
        lamp: unit vector towards the lamp, in the surface's axes.
        viewer: unit vector towards the viewer, in the same axes.
        ambient: the light from all around, as a share of the lamp's.

    Returns:
        Linear RGB, [3, rows, columns]; may exceed 1.
    """
    half = lamp + viewer
    half /= np.sqrt(np.sum(half * half))
    nu, nv, nz = _normals(surface.height)
    # Light bleeds a little beyond the terminator in skin.
    facing = np.clip((nu * lamp[0] + nv * lamp[1] + nz * lamp[2] + 0.15) / 1.15, 0, None)
    facing *= 1 - 0.7 * _shadow(surface.height, lamp)
    highlight = np.clip(nu * half[0] + nv * half[1] + nz * half[2], 0, None)
    for _ in range(4):
        highlight *= highlight
    highlight *= surface.gloss * facing
    around = ambient * _openness(surface.height) * (0.8 - 0.2 * nv)
    return surface.colour * (around + facing) + np.float32(0.2) * highlight


def _normals(height: Array) -> tuple[Array, Array, Array]:
    """The unit normal of a height field, by component."""
    dv, du = np.gradient(height, np.float32(1 / DENSITY))
    # Outlines are cliffs: without a limit they would be black lines.
    du, dv = np.clip(du, -2.5, 2.5), np.clip(dv, -2.5, 2.5)
    towards = 1 / np.sqrt(1 + du * du + dv * dv)
    return -du * towards, -dv * towards, towards


def _shadow(height: Array, lamp: Array) -> Array:
    """How much of the lamp each point does not see, from 0 to 1."""
    shadow = np.zeros_like(height)
    shifts = Shifts(height, DENSITY)
    for step in (0.06, 0.12, 0.2, 0.3, 0.42, 0.56, 0.72):
        across, down = np.rint(step * DENSITY * lamp[:2]).astype(int)
        above = shifts(across, down) - height
        # The farther away what blocks the lamp, the softer its shadow.
        above -= step * lamp[2]
        above *= np.float32(2.5 / step**0.5)
        np.maximum(shadow, above, out=shadow)
    return np.minimum(shadow, 1)


def _openness(height: Array) -> Array:
    """How much of the surroundings each point sees, judged by how deep it lies below its neighbourhood."""
    solid = np.maximum(height, np.float32(-0.4))
    rows, columns = height.shape
    small = Image.fromarray(solid).resize((columns // 8, rows // 8), Image.Resampling.BOX)
    neighbourhood = np.asarray(small.resize((columns, rows), Image.Resampling.BICUBIC))
    return np.clip(1 - np.float32(2.2) * (neighbourhood - solid), 0.45, 1.12)

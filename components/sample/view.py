"""A turned surface as a camera sees it: which point of the surface lies behind each pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from components.sample.surface import DENSITY, FLOOR, LEFT, TOP, Array, Shifts

# Higher than anything on a bust.
_CEILING = 1.7
# Lines of sight are followed in steps of one grid point, but of no more than this height.
_STEEPEST = 0.12
# From this height on, a fall of the surface within one step is an outline and not a slope.
_CLIFF = 0.35


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """From the surface's axes to the viewer's, [3, 3]; angles in radians, axes right, down, towards the viewer."""
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    around_v = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    around_u = np.array(((1, 0, 0), (0, cp, -sp), (0, sp, cp)))
    in_plane = np.array(((cr, -sr, 0), (sr, cr, 0), (0, 0, 1)))
    return np.asarray(np.einsum("ij,jk,kl->il", in_plane, around_u, around_v), np.float32)


def project(
    height: Array, colours: Array, turn: Array, *, scale: float, centre: tuple[float, float], size: tuple[int, int]
) -> tuple[Array, Array]:
    """Projects a turned surface in parallel onto a picture.

    Args:
        height: of the surface, [rows, columns].
        colours: of its points, [3, rows, columns].
        turn: the `rotation` of the surface.
        scale: pixels per unit of length.
        centre: the pixel, across and down, at which the surface's origin lies.
        size: width and height of the picture.

    Returns:
        Colours [3, height, width], and how much of each pixel they cover from 0 to 1 [height, width].
    """
    # A pixel's line of sight meets the surface's plane at `untilt @ pixel`, and moves by `shift` per unit of height.
    untilt = np.linalg.inv(turn[:2, :2])
    shift = -DENSITY * (untilt @ turn[:2, 2])
    (a, b), (d, e) = (DENSITY / scale * untilt).tolist()
    c = -LEFT * DENSITY - a * centre[0] - b * centre[1]
    f = -TOP * DENSITY - d * centre[0] - e * centre[1]
    first = _first_hits(height, shift)
    empty = first <= FLOOR
    hits, cover = (
        np.asarray(layer.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR))
        for layer in (
            Image.fromarray(_beyond_outline(first, empty)),
            Image.fromarray(np.where(empty, np.uint8(0), np.uint8(255))).filter(ImageFilter.BoxBlur(1)),
        )
    )
    solid = np.flatnonzero(cover)
    x = np.arange(0.5, size[0], dtype=np.float32)
    y = np.arange(0.5, size[1], dtype=np.float32)[:, None]
    # Grid points have their values in their middle: hence the half.
    column = ((a * x + (c - 0.5)) + b * y + shift[0] * hits).ravel()[solid]
    row = ((d * x + (f - 0.5)) + e * y + shift[1] * hits).ravel()[solid]
    picture = np.zeros((3, size[1] * size[0]), np.float32)
    for plane, values in zip(picture, _between(colours, row, column), strict=True):
        plane[solid] = values
    return picture.reshape(3, size[1], size[0]), cover * np.float32(1 / 255)


def _beyond_outline(hits: Array, empty: npt.NDArray[np.bool_]) -> Array:
    """The hits, whose heights reach into empty points beside them: a pixel on an outline then shows what is inside."""
    shifts = Shifts(hits, 1)
    neighbours = np.maximum(np.maximum(shifts(1, 0), shifts(-1, 0)), np.maximum(shifts(0, 1), shifts(0, -1)))
    return np.where(empty, neighbours, hits)


def _first_hits(height: Array, shift: Array) -> Array:
    """The height at which the line of sight through each point of the plane first meets the surface.

    Relief mapping (Policarpo, Oliveira and Comba, "Real-time relief mapping on arbitrary polygonal surfaces", 2005).

    Args:
        height: [rows, columns].
        shift: grid points to the right and down that a line of sight moves by, per unit of height.
    """
    reach = float(np.abs(shift).max())
    if reach * (_CEILING - FLOOR) < 1:
        return height
    rise = min(1 / reach, _STEEPEST)
    levels = rise * np.arange(np.floor(FLOOR / rise) + 1, np.ceil(_CEILING / rise) + 1, dtype=np.float32)
    shifts = Shifts(height, int(np.ceil(reach * _CEILING)) + 1)
    hits = np.full(height.size, FLOOR, np.float32)
    below = np.full(height.size, -1, np.float32)
    for level in levels:
        across, down = np.rint(shift * level).astype(int)
        above = (shifts(across, down) - level).ravel()
        crossed = np.flatnonzero((below >= 0) & (above < 0))
        drop = below[crossed] - above[crossed]
        # A cliff's wall has the colour of the ground on top of it, a little inside its edge.
        share = np.where(drop < rise + _CLIFF, above[crossed] / drop, -2)
        hits[crossed] = np.maximum(level + rise * share, levels[0])
        below = above
    return hits.reshape(height.shape)


def _between(values: Array, row: Array, column: Array) -> Array:
    """Bilinear interpolation of [3, rows, columns] at n places: [3, n]."""
    _, rows, columns = values.shape
    row, column = np.clip(row, 0, rows - 1.01), np.clip(column, 0, columns - 1.01)
    i, j = row.astype(np.intp), column.astype(np.intp)
    y, x = row - i.astype(np.float32), column - j.astype(np.float32)
    at = i * columns + j
    result = np.empty((3, at.size), np.float32)
    for channel, plane in zip(result, values.reshape(3, -1), strict=True):
        first, third = plane.take(at), plane.take(at + columns)
        first += x * (plane.take(at + 1) - first)
        third += x * (plane.take(at + (columns + 1)) - third)
        third -= first
        third *= y
        np.add(first, third, out=channel)
    return result

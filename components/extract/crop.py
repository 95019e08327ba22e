"""A face cut out of its photo: square, inside the photo, never distorted."""

from __future__ import annotations

import io

from PIL import Image

from components.extract.decode import Photo, reduction

# x0, y0, x1, y1 in pixels of the upright photo, x1 and y1 exclusive.
Box = tuple[int, int, int, int]

# FaceNet's usual inputs are 160 to 224 pixels: this leaves room to cut and shift at random in training, and a
# million faces stay below 30 GB.
LONGEST_SIDE = 256
JPEG_QUALITY = 95


def overlap(one: Box, other: Box) -> float:
    """Of what two boxes cover together, the part that both cover."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)


def square(box: Box, margin: float, width: int, height: int) -> Box:
    """The square to cut out around a detected face.

    Its side is the box's longer side plus the margin on both sides, at most the photo's shorter side; it is centred
    on the box and then shifted to lie inside the photo.

    Args:
        box: what the detector said; may leave the photo.
        margin: added on every side, as a fraction of the box's longer side.
        width: of the photo, in pixels.
        height: of the photo, in pixels.
    """
    x0, y0, x1, y1 = box
    side = min(round(max(x1 - x0, y1 - y0) * (1 + 2 * margin)), width, height)
    left = min(max(0, round((x0 + x1 - side) / 2)), width - side)
    top = min(max(0, round((y0 + y1 - side) / 2)), height - side)
    return left, top, left + side, top + side


def source(photo: Photo, crop_box: Box) -> tuple[Image.Image, int]:
    """The smallest copy of a photo that still shows a square of it with `LONGEST_SIDE` pixels, if the photo does.

    Returns:
        The RGB copy, and how many times smaller than the photo it is.
    """
    factor = max(photo.least, reduction((crop_box[2] - crop_box[0]) / LONGEST_SIDE))
    return photo.colour(factor), factor


def cut(photo: Photo, crop_box: Box) -> Image.Image:
    """Cuts a square out of a photo.

    Args:
        photo: the photo.
        crop_box: the square, inside the photo, from `square`.

    Returns:
        RGB; the photo's own pixels when the square is at most `LONGEST_SIDE` wide, else scaled down to that. Of a photo
        that is decoded at half its size, half as wide as the square when that is narrower.
    """
    copy, factor = source(photo, crop_box)
    if factor == 1 and crop_box[2] - crop_box[0] <= LONGEST_SIDE:
        return copy.crop(crop_box)
    x0, y0, x1, y1 = (edge / factor for edge in crop_box)
    side = min(LONGEST_SIDE, max(1, round(x1 - x0)))
    return copy.resize((side, side), Image.Resampling.LANCZOS, box=(x0, y0, x1, y1))


def encode(crop: Image.Image) -> bytes:
    """A crop as JPEG."""
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()

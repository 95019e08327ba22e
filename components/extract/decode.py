"""The bytes of a photo -> upright pixels, no larger than they are needed."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from components.extract.reasons import Reason, RejectedError
from components.extract.scan import SIGNATURES

# By content: what the file is called does not matter. Phones' MPO files are JPEG to Pillow.
FORMATS = ("JPEG", "PNG", "GIF")

# What shines through transparent pixels: as on a page.
BACKGROUND = (255, 255, 255, 255)

# libjpeg decodes at these fractions of the size for a fraction of the time.
_REDUCTIONS = (8, 4, 2, 1)

_EXIF = ("exif", "Raw profile type exif")  # where Pillow keeps it: of every format, and as ImageMagick writes it to PNG
_ORIENTATION_TAG = 0x0112
# EXIF 2.32, section 4.6.4 A: what makes a photo with this orientation upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# `Photo` checks the size against its own limit before it decodes a pixel; Pillow's would warn from 89 million on.
Image.MAX_IMAGE_PIXELS = None


def reduction(most: float) -> int:
    """The largest of 1, 2, 4, 8 that is not above `most`; 1 when all are."""
    return next((factor for factor in _REDUCTIONS if factor <= most), 1)


class Photo:
    """An image file in memory, upright whatever its EXIF orientation; the first frame of an animation.

    JPEG is decoded anew for each copy, as small as libjpeg can: two small copies cost far less than the whole.

    Args:
        data: the file's bytes.
        max_pixels: the largest width x height that is decoded; a JPEG of up to four times as many is decoded at half
            its size, or less.

    Attributes:
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        least: how many times smaller copies are at least: 2 for such a JPEG, else 1.

    Raises:
        RejectedError: not an image of a known format, too many pixels, or damaged.
    """

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self._data = data
        with _open(data) as picture:
            jpeg = picture.format in ("JPEG", "MPO")
            self.least = _checked_size(picture, max_pixels, halves=jpeg)
            self._stored_size = picture.size
            self._orientation = _orientation(picture)
            self._whole = None if jpeg else self._upright(_opaque(picture))
        sideways = self._orientation >= 5
        self.width, self.height = self._stored_size[::-1] if sideways else self._stored_size

    def small(self, mode: Literal["L", "RGB"], long_side: int) -> npt.NDArray[np.uint8]:
        """A copy whose longer side is at most `long_side` pixels, in the photo's proportions.

        Returns:
            uint8 [height, width] in mode "L" (grey), [height, width, 3] in mode "RGB".
        """
        scale = min(1.0, long_side / max(self.width, self.height))
        size = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        factor = max(self.least, reduction(min(1 / scale, self.width, self.height)))
        copy = self._copy(mode, factor)
        if copy.size != size:
            whole = (0, 0, self.width / factor, self.height / factor)
            copy = copy.resize(size, Image.Resampling.BILINEAR, box=whole)
        return np.asarray(copy)

    def colour(self, factor: int) -> Image.Image:
        """An RGB copy, `factor` (1, 2, 4 or 8, from `least` to the shorter side) times smaller, rounded up."""
        return self._copy("RGB", factor)

    def _copy(self, mode: str, factor: int) -> Image.Image:
        if self._whole is not None:
            whole = _in_mode(self._whole, mode)
            return whole.reduce(factor) if factor > 1 else whole
        width, height = self._stored_size
        with _open(self._data) as picture:
            picture.draft(mode, (width // factor, height // factor))
            return self._upright(_in_mode(_opaque(picture), mode))

    def _upright(self, picture: Image.Image) -> Image.Image:
        turn = _UPRIGHT.get(self._orientation)
        return picture if turn is None else picture.transpose(turn)


@contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    """Opens an image; what Pillow raises inside the block, whatever it is, rejects the photo."""
    if not data:
        raise RejectedError(Reason.NOT_AN_IMAGE, "the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            yield picture
    except RejectedError:
        raise
    except UnidentifiedImageError as error:
        if data.startswith(SIGNATURES):
            raise RejectedError(Reason.UNREADABLE, "the header of the image is damaged") from error
        other = _other_format(data)
        explanation = f"{other}: convert it to JPEG or PNG" if other else f"starts with {data[:12]!r}"
        raise RejectedError(Reason.NOT_AN_IMAGE, f"neither {', '.join(FORMATS)}; {explanation}") from error
    # Damaged files make Pillow's parsers raise almost anything: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        cut_off = isinstance(error, EOFError) or "truncated" in str(error).lower()
        reason = Reason.TRUNCATED if cut_off else Reason.UNREADABLE
        raise RejectedError(reason, f"{type(error).__name__}: {error}") from error


def _other_format(data: bytes) -> str:
    """The name of a format of photos that is not read here, by what a file begins with; "" when it is none of them."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":  # ISO 14496-12, section 4.3: the brand that follows is the format
        return {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC or AVIF"}.get(
            data[8:12], ""
        )
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    return "BMP" if data.startswith(b"BM") else ""


def _checked_size(picture: Image.Image, max_pixels: int, *, halves: bool) -> int:
    """How many times smaller a picture has to be decoded: 2 where it has too many pixels and can be so."""
    width, height = picture.size
    if halves and max_pixels < width * height <= 4 * max_pixels and min(width, height) > 1:
        return 2
    if width * height > max_pixels:
        raise RejectedError(
            Reason.TOO_MANY_PIXELS,
            f"{width} x {height} = {width * height / 1e6:,.1f} million pixels; "
            f"--max_pixels allows {max_pixels / 1e6:,.1f} million",
        )
    return 1


def _orientation(picture: Image.Image) -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 as well when there is none or it makes no sense, as viewers do.

    Pillow also takes that of XMP, which viewers and browsers do not: such a photo's pixels are upright.
    """
    if picture.format == "PNG":
        picture.load()  # EXIF may follow the pixels; damage to those must not pass for damage to EXIF
    try:
        bare = Image.new("L", (1, 1))
        bare.info = {key: value for key, value in picture.info.items() if key in _EXIF}
        orientation = bare.getexif().get(_ORIENTATION_TAG)
    except (SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _opaque(picture: Image.Image) -> Image.Image:
    """L or RGB, whatever the mode: transparency laid on `BACKGROUND`, 16 bits scaled to 8."""
    if picture.mode.startswith("I"):
        # Pillow's own conversion has clipped these to 255 in some versions.
        return Image.fromarray((np.asarray(picture, np.uint32) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        overlay = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", overlay.size, BACKGROUND), overlay).convert("RGB")
    return _in_mode(picture, "L" if picture.mode == "L" else "RGB")


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """A decoded picture in a mode; itself where it is in that mode, which Pillow would copy."""
    picture.load()
    return picture if picture.mode == mode else picture.convert(mode)

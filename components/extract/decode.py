"""The bytes of a photo -> upright pixels, no larger than they are needed."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError, features

from components.common.formats import FORMATS, Format, format_of
from components.extract.reasons import Reason, RejectedError

# Formats that a Pillow may have been built without, by what `PIL.features` calls them.
_OPTIONAL = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}

# How many bits of each pixel a deep picture may use, whatever their type has room for: cameras' sensors have 10 or 12.
_DEPTHS = (8, 10, 12, 16)
# How many times fewer pixels are decoded where each costs more, by Pillow's names of formats and codecs. Memory: WebP's
# decoder holds two more copies of the picture, and OpenJPEG four bytes for each channel. Time: Pillow unpacks BMP in
# run lengths in Python, and a hundred million pixels of it take minutes.
_COSTS = {"WEBP": 2, "JPEG2000": 2, "bmp_rle": 16}

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
    """An image file in memory, upright whatever orientation it is stored in; of several pictures in it, the first.

    Its content says what it is, and not its name. Maps of depth and of gain (HDR) are left out.

    JPEG is decoded anew for each copy, as small as libjpeg can: two small copies cost far less than the whole. Copies
    are kept, so that all faces of a photo share them.

    Args:
        data: the file's bytes.
        max_pixels: the largest width x height that is decoded; half of it of WebP and JPEG 2000; a JPEG of up to four
            times as many is decoded at half its size, or less.

    Attributes:
        width: of the upright photo, in pixels.
        height: of the upright photo, in pixels.
        least: how many times smaller copies are at least: 2 for such a JPEG, else 1.

    Raises:
        RejectedError: not an image of a known format, one that nothing installed reads, too many pixels, or damaged.
    """

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self._data = data
        self._copies: dict[tuple[str, int], Image.Image] = {}
        with _open(data) as picture:
            jpeg = picture.format in ("JPEG", "MPO")  # phones' files of several pictures are MPO to Pillow
            self.least = _checked_size(picture, max_pixels, halves=jpeg)
            self._orientation = _orientation(picture)
            stored = picture if jpeg else _opaque(picture)
            self._stored_size = stored.size
            self._whole = None if jpeg else self._upright(stored)
        sideways = self._orientation >= 5
        self.width, self.height = self._stored_size[::-1] if sideways else self._stored_size

    @classmethod
    def decoded(cls, picture: Image.Image) -> Photo:
        """A picture that is decoded and upright already, RGB, as a photo."""
        photo = cls.__new__(cls)
        photo.least, photo._whole, photo._copies = 1, picture, {}
        photo.width, photo.height = photo._stored_size = picture.size
        return photo

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
        if (mode, factor) not in self._copies:
            # Decoding a large photo takes as long as searching it: grey comes out of colours that are here.
            colour = self._copies.get(("RGB", factor))
            self._copies[mode, factor] = colour.convert(mode) if colour else self._decoded(mode, factor)
        return self._copies[mode, factor]

    def _decoded(self, mode: str, factor: int) -> Image.Image:
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
def _open(data: bytes) -> Iterator[ImageFile.ImageFile]:
    """Opens an image; what Pillow raises inside the block, whatever it is, rejects the photo."""
    if not data:
        raise RejectedError(Reason.NOT_AN_IMAGE, "the file is empty")
    kind = format_of(data)
    if kind is None:
        known = ", ".join(one.name for one in FORMATS)
        raise RejectedError(Reason.NOT_AN_IMAGE, f"none of {known}; starts with {data[:12]!r}")
    _check_reader(kind)
    try:
        with Image.open(io.BytesIO(data), formats=[kind.name]) as picture:
            yield picture
    except RejectedError:
        raise
    except UnidentifiedImageError as error:
        raise RejectedError(Reason.UNREADABLE, f"Pillow finds no {kind.name} image that it can read") from error
    # Damaged files make Pillow's parsers raise almost anything: SyntaxError, struct.error, IndexError, ...
    except Exception as error:
        cut_off = isinstance(error, EOFError) or any(
            sign in str(error).lower() for sign in ("truncated", "end of file")
        )
        reason = Reason.TRUNCATED if cut_off else Reason.UNREADABLE
        raise RejectedError(reason, f"{type(error).__name__}: {error}") from error


def _check_reader(kind: Format) -> None:
    """Rejects a photo in a format that nothing here reads, and says what to install."""
    if kind.name == "HEIF":
        # Not at the top: importing it takes a quarter of a second.
        try:
            from pillow_heif import register_heif_opener
        except ModuleNotFoundError:
            raise RejectedError(Reason.NO_READER, "HEIF (install pillow-heif)") from None
        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    elif (part := _OPTIONAL.get(kind.name)) and not features.check(part):
        raise RejectedError(Reason.NO_READER, f"{kind.name} (install a Pillow that was built with it)")


def _checked_size(picture: ImageFile.ImageFile, max_pixels: int, *, halves: bool) -> int:
    """How many times smaller a picture has to be decoded: 2 where it has too many pixels and can be so."""
    width, height = picture.size
    names = [picture.format, *(tile.codec_name for tile in picture.tile[:1])]
    max_pixels //= max(_COSTS.get(str(name), 1) for name in names)
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

    Of AVIF it is what the boxes `irot` and `imir` say, whatever EXIF says. TIFF and HEIF are upright once they are
    decoded, and 1 here.

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
    """L or RGB, whatever the mode: transparency laid on `BACKGROUND`, deeper pixels scaled to 8 bits."""
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_to_8_bits(np.asarray(picture)))
    if picture.has_transparency_data:
        overlay = _in_mode(picture, "RGBA")
        return Image.alpha_composite(Image.new("RGBA", overlay.size, BACKGROUND), overlay).convert("RGB")
    return _in_mode(picture, "L" if picture.mode == "L" else "RGB")


def _to_8_bits(grey: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Deeper pixels, whole numbers or fractions, as 8 bits: Pillow's conversion clips them, or makes them black.

    White is the least of `_DEPTHS` (of fractions also 1) that holds the brightest pixel: no header says it of 12 bits
    that are stored as 16.
    """
    if grey.dtype.kind == "f":
        grey = np.nan_to_num(grey, nan=0, posinf=0, neginf=0)
        top = grey.max()
        white = next((white for white in (1, *(2**bits - 1 for bits in _DEPTHS)) if top <= white), top)
        return np.clip(grey * (255 / white) + 0.5, 0, 255).astype(np.uint8)
    top = int(grey.max())
    bits = next((bits for bits in _DEPTHS if top < 2**bits), top.bit_length())
    return np.asarray(np.maximum(grey, 0) >> (bits - 8), np.uint8)


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """A decoded picture in a mode; itself where it is in that mode, which Pillow would copy."""
    picture.load()
    return picture if picture.mode == mode else picture.convert(mode)

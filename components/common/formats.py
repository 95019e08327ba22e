"""The formats of photos: what their files are called, and what they begin with."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format of photos.

    Args:
        name: Pillow's name for it.
        endings: of its files' names, in lower case; what is called so counts as a photo, whatever it holds.
        start: a pattern of the bytes that its files begin with, and no others.
    """

    name: str
    endings: tuple[str, ...]
    start: bytes


# Of AVIF and HEIF, boxes of ISO 14496-12, section 4.3: the first box names the format by its brand; the brands `mif1`
# and `msf1` are those of both, and AVIF is among the compatible ones that follow.
FORMATS = (
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), rb"\xff\xd8\xff"),
    Format("PNG", (".png",), rb"\x89PNG"),
    Format("GIF", (".gif",), rb"GIF8"),
    Format("WEBP", (".webp",), rb"RIFF....WEBP"),
    Format("AVIF", (".avif",), rb"....ftyp(avi[fs]|m[is]f1....(....){0,9}?avi[fs])"),
    Format("HEIF", (".heic", ".heif", ".hif"), rb"....ftyp(hei[cxms]|hev[cxms]|m[is]f1)"),
    Format("TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]"),
    Format("BMP", (".bmp",), rb"BM"),
    Format("JPEG2000", (".jp2",), rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
)
ENDINGS = tuple(ending for one in FORMATS for ending in one.endings)


def format_of(data: bytes) -> Format | None:
    """The format of a file's bytes; None when it is none of `FORMATS`."""
    return next((one for one in FORMATS if re.match(one.start, data, re.DOTALL)), None)

"""Faces as pictures within a page."""

from __future__ import annotations

import base64
import io

from PIL import Image

_SIDE = 112  # pixels


def thumbnail(picture: Image.Image) -> str:
    """A small JPEG as a data URI."""
    small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()

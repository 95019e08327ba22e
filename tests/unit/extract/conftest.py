"""One sample photo, and it as bytes in every way that a camera or an editor may write it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

register_heif_opener()  # which writes HEIF too


@pytest.fixture(scope="session")
def portrait(sample_photos: Path) -> Image.Image:
    """A photo of one face, RGB."""
    with Image.open(sample_photos / "person-00000" / "00.jpg") as picture:
        return picture.convert("RGB")


@pytest.fixture(scope="session")
def encode():
    """A picture as the bytes of a file."""

    def encode(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return encode

"""Faces and photos as pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from components.common.errors import UsageError
from components.common.manifest import open_part, reading
from components.common.preprocessing import open_crop

_SIDE = 112  # pixels


def data_uri(picture: Image.Image) -> str:
    """A picture as a JPEG, in a data URI."""
    encoded = io.BytesIO()
    picture.convert("RGB").save(encoded, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()


def thumbnail(picture: Image.Image, side: int = _SIDE) -> str:
    """A face as a small JPEG, in a data URI."""
    return data_uri(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))


def spread(files: Sequence[Path], count: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Up to so many rows of a faces manifest at even distances, reading no other row groups than theirs.

    Args:
        files: the parts of the manifest.
        count: how many rows, at most.
        columns: what to read of them.
    """
    total = sum(open_part(file).metadata.num_rows for file in files)
    yield from rows_at(files, np.unique(np.linspace(0, total - 1, min(count, total)).astype(int)), columns)


def rows_at(files: Sequence[Path], wanted: npt.NDArray[np.intp], columns: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a faces manifest with some numbers, which ascend; like `spread`."""
    start = 0
    for parquet in map(open_part, files):
        for group in range(parquet.num_row_groups):
            stop = start + parquet.metadata.row_group(group).num_rows
            inside = wanted[(wanted >= start) & (wanted < stop)] - start
            if len(inside):
                yield from parquet.read_row_group(group, columns=columns).take(inside).to_pylist()
            start = stop


def thumbnails(files: Sequence[Path], face_ids: Collection[str], side: int = _SIDE) -> dict[str, str]:
    """Some faces of a faces manifest as small JPEGs; no images are read of row groups without them.

    Args:
        files: the parts of the manifest, or of several; at least one.
        face_ids: the faces.
        side: side of the pictures, in pixels.

    Returns:
        Data URIs by face id.

    Raises:
        UsageError: one of the faces is missing.
    """
    if not face_ids:
        return {}
    pictures: dict[str, str] = {}
    wanted = pa.array(sorted(face_ids), pa.string())
    with reading(files[0].parent):
        for file in files:
            parquet = open_part(file)
            for group in range(parquet.num_row_groups):
                column = parquet.read_row_group(group, columns=["face_id"])["face_id"]
                rows = np.flatnonzero(pc.is_in(column, wanted).to_numpy())
                if len(rows):
                    images = parquet.read_row_group(group, columns=["image"])["image"].take(rows).to_pylist()
                    uris = (_thumbnail_of(image, side) for image in images)
                    pictures |= zip(column.take(rows).to_pylist(), uris, strict=True)
    if len(pictures) < len(wanted):
        raise UsageError(
            "This faces manifest is not the one that the faces to be shown come from.",
            received=f"{files[0].parent}, without {len(wanted) - len(pictures)} of {len(wanted)} faces",
            advice="Give the right one, or leave the pictures out with --pictures false.",
        )
    return pictures


def _thumbnail_of(image: bytes, side: int) -> str:
    with open_crop(image) as picture:
        picture.draft("RGB", (side, side))
        return thumbnail(picture, side)

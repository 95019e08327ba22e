"""The worst mistakes: which pairs are on the wrong side of the threshold by most, and how they look."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from components.common.errors import UsageError
from components.common.manifest import FACES, parts
from components.evaluate.embeddings import Embeddings, Indices
from components.evaluate.metrics import Distances
from components.evaluate.protocols import Pairs
from components.page.pictures import thumbnail

_SHOWN = 6


@dataclass(frozen=True)
class Face:
    """A face as the report shows it."""

    face_id: str
    identity: str
    photo_path: str


@dataclass(frozen=True)
class Mistake:
    """A pair on the wrong side of the threshold."""

    first: Face
    second: Face
    distance: float


@dataclass(frozen=True)
class Mistakes:
    """False rejects and false accepts: how many, and the worst few.

    Args:
        false_rejects: same-identity pairs farther apart than the threshold.
        false_accepts: different-identity pairs not farther apart than it.
        rejects: the worst of them, farthest first.
        accepts: the worst of them, nearest first.
        pictures: a data URI by face id, of every face shown; empty without a faces manifest.
    """

    false_rejects: int
    false_accepts: int
    rejects: list[Mistake]
    accepts: list[Mistake]
    pictures: dict[str, str] = field(default_factory=dict)


def worst_mistakes(
    embeddings: Embeddings, pairs: Pairs, distances: Distances, threshold: float, faces: Path | None
) -> Mistakes:
    """Finds the worst mistakes among pairs, each face once among rejects and once among accepts.

    Raises:
        UsageError: the faces manifest lacks a face that is to be shown.
    """
    rejected = np.flatnonzero(pairs.same & (distances > threshold))
    accepted = np.flatnonzero(~pairs.same & (distances <= threshold))
    rejects, accepts = (
        [
            Mistake(_face(embeddings, pairs.first[pair]), _face(embeddings, pairs.second[pair]), float(distances[pair]))
            for pair in _without_repeats(pairs, worst_first)
        ]
        for worst_first in (
            rejected[np.argsort(-distances[rejected], kind="stable")],
            accepted[np.argsort(distances[accepted], kind="stable")],
        )
    )
    shown = {face.face_id for mistake in rejects + accepts for face in (mistake.first, mistake.second)}
    pictures = thumbnails(faces, shown) if faces else {}
    return Mistakes(len(rejected), len(accepted), rejects, accepts, pictures)


def _face(embeddings: Embeddings, row: int) -> Face:
    return Face(embeddings.face_id[row], embeddings.identity[row], embeddings.photo_path[row])


def _without_repeats(pairs: Pairs, worst_first: Indices) -> list[int]:
    """The first few pairs in which no face was seen before: one mislabelled photo would fill the list."""
    chosen: list[int] = []
    seen: set[int] = set()
    for pair in worst_first:
        faces = {int(pairs.first[pair]), int(pairs.second[pair])}
        if not faces & seen:
            chosen.append(int(pair))
            seen |= faces
        if len(chosen) == _SHOWN:
            break
    return chosen


def thumbnails(faces: Path, face_ids: set[str]) -> dict[str, str]:
    """Small JPEGs of some faces as data URIs, reading only the row groups that hold them.

    Raises:
        UsageError: the manifest lacks one of the faces.
    """
    found: dict[str, str] = {}
    wanted = pa.array(sorted(face_ids), pa.string())
    for file in parts(faces, FACES):
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            column = parquet.read_row_group(group, columns=["face_id"])["face_id"]
            rows = np.flatnonzero(pc.is_in(column, wanted).to_numpy())
            if len(rows):
                images = parquet.read_row_group(group, columns=["image"])["image"].take(rows).to_pylist()
                found |= zip(column.take(rows).to_pylist(), map(_thumbnail, images), strict=True)
    if len(found) < len(face_ids):
        raise UsageError(
            "This faces manifest is not the one that the embeddings come from.",
            received=f"{faces}, without {len(face_ids) - len(found)} of the {len(face_ids)} faces to be shown",
            advice="Give the right one with --faces, or leave it out for a report without pictures.",
        )
    return found


def _thumbnail(image: bytes) -> str:
    with Image.open(io.BytesIO(image)) as picture:
        return thumbnail(picture)

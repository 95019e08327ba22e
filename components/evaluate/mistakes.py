"""The worst mistakes: which pairs are on the wrong side of the threshold by most, and how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.evaluate.embeddings import Embeddings, Indices
from components.evaluate.metrics import Distances
from components.evaluate.protocols import Pairs
from components.page.pictures import thumbnails

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
    embeddings: Embeddings, pairs: Pairs, distances: Distances, threshold: float, faces: Sequence[Path]
) -> Mistakes:
    """Finds the worst mistakes among pairs, each face once among rejects and once among accepts.

    Args:
        embeddings: of the faces that the pairs point to.
        pairs: the pairs.
        distances: float64 [pairs].
        threshold: where the verdict changes.
        faces: the parts of the faces manifest to take pictures from; none for no pictures.

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

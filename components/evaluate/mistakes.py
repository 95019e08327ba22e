"""The worst mistakes: which pairs are on the wrong side of the threshold by most, and how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.evaluate.compared import SHOWN, Compared, MeasuredPairs
from components.evaluate.embeddings import Embeddings
from components.evaluate.protocols import Faces
from components.page.pictures import thumbnails


@dataclass(frozen=True)
class PairedFace:
    """A face as the report shows it."""

    face_id: str
    identity: str
    photo_path: str


@dataclass(frozen=True)
class Mistake:
    """A pair on the wrong side of the threshold."""

    first: PairedFace
    second: PairedFace
    distance: float


@dataclass(frozen=True)
class Mistakes:
    """False rejects and false accepts: how many there are, and the worst few.

    Args:
        false_rejects: same-identity pairs farther apart than the threshold.
        false_accepts: different-identity pairs at most as far apart as it.
        rejects: the worst of them, farthest first.
        accepts: the worst of them, nearest first.
        pictures: a data URI for each face shown, by face id; empty without a faces manifest.
    """

    false_rejects: int
    false_accepts: int
    rejects: list[Mistake]
    accepts: list[Mistake]
    pictures: dict[str, str] = field(default_factory=dict)


def worst_mistakes(
    embeddings: Embeddings, compared: Compared, confusion: Mapping[str, int], faces: Sequence[Path]
) -> Mistakes:
    """Picks the worst mistakes, with each face at most once among the rejects and once among the accepts.

    Args:
        embeddings: the faces that the pairs point to.
        compared: the pairs.
        confusion: the pairs of each kind that are accepted and rejected, as in `metrics.json`.
        faces: the parts of the faces manifest to take pictures from; empty for no pictures.

    Raises:
        UsageError: the faces manifest lacks a face that is to be shown.
    """
    rejects, accepts = (_pick(embeddings, kind.mistakes) for kind in (compared.same, compared.different))
    shown = {face.face_id for mistake in rejects + accepts for face in (mistake.first, mistake.second)}
    pictures = thumbnails(faces, shown) if faces else {}
    return Mistakes(confusion["same_rejected"], confusion["different_accepted"], rejects, accepts, pictures)


def _pick(embeddings: Embeddings, worst_first: MeasuredPairs) -> list[Mistake]:
    """The first few pairs in which no face was seen before: one mislabelled photo would fill the list."""
    chosen: list[int] = []
    seen: set[int] = set()
    for pair, ends in enumerate(zip(worst_first.first.tolist(), worst_first.second.tolist(), strict=True)):
        if seen.isdisjoint(ends):
            chosen.append(pair)
            seen.update(ends)
        if len(chosen) == SHOWN:
            break
    pairs = worst_first[np.array(chosen, np.int64)]
    first, second = (_faces(embeddings, end) for end in (pairs.first, pairs.second))
    return [Mistake(*of_pair) for of_pair in zip(first, second, pairs.distances.tolist(), strict=True)]


def _faces(embeddings: Embeddings, rows: Faces) -> list[PairedFace]:
    names = embeddings.face_id[rows], embeddings.identity[rows], embeddings.photo_path[rows]
    return [PairedFace(*of_one) for of_one in zip(*names, strict=True)]

"""Who is nearest to a face: exact, by one matrix product over every enrolled face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class People:
    """Everybody in a gallery.

    Args:
        names: of the people.
        person: int32 [faces], whose face it is, as a position in `names`.
        embeddings: float32 [faces, size], unit length.
    """

    names: list[str]
    person: npt.NDArray[np.int32]
    embeddings: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """A person, and the distance (0 to 2) of the nearest of their enrolled faces."""

    name: str
    distance: float


def nearest(people: People, embedding: npt.NDArray[np.float32], top: int) -> list[Candidate]:
    """The people nearest to a face, the nearest first.

    Args:
        people: at least one, each with at least one face.
        embedding: float32 [size], unit length.
        top: how many people at most.
    """
    similarity = people.embeddings @ embedding
    best = np.full(len(people.names), -np.inf, np.float32)
    np.maximum.at(best, people.person, similarity)
    top = min(top, len(best))
    chosen = np.argpartition(-best, top - 1)[:top]
    # Unit vectors: |a - b|^2 = 2 - 2 a.b
    distances = np.sqrt(np.maximum(2 - 2 * best[chosen].astype(np.float64), 0))
    order = np.lexsort((chosen, distances))
    return [Candidate(people.names[chosen[i]], float(distances[i])) for i in order]

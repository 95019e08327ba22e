"""Who is nearest to a face, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.verify.index import Index


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

    @cached_property
    def index(self) -> Index:
        """Their embeddings, to search."""
        return Index(self.embeddings)


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
    top = min(top, len(people.names))
    faces, whose = top, np.empty(0, np.int32)
    while len(whose) < top:  # the nearest faces may be those of a few people
        rows, similarities = people.index.nearest(embedding, faces)
        whose, first = np.unique(people.person[rows], return_index=True)
        faces *= 4
    # Unit vectors: |a - b|^2 = 2 - 2 a.b
    distances = np.sqrt(np.maximum(2 - 2 * similarities[first], 0))
    order = np.lexsort((whose, distances))[:top]
    return [Candidate(people.names[whose[i]], float(distances[i])) for i in order]

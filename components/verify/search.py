"""Who is nearest to a face, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from components.common.directions import directions
from components.verify.index import Index

# People whose faces are summed at a time, in float64.
_PEOPLE = 8192


@dataclass(frozen=True)
class Candidate:
    """A person, and the distance (0 to 2) of their mean embedding."""

    name: str
    distance: float


class Enrolled(Protocol):
    """Everybody in a gallery, to search among."""

    @property
    def total_people(self) -> int:
        """How many people."""

    @property
    def total_faces(self) -> int:
        """How many faces they have together."""

    def nearest(self, embedding: npt.NDArray[np.float32], top: int) -> list[Candidate]:
        """The people nearest to a face, the nearest first; of equally near ones the first by name.

        Args:
            embedding: float32 [size], unit length.
            top: how many people at most.
        """


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

    @property
    def total_people(self) -> int:
        """How many people."""
        return len(self.names)

    @property
    def total_faces(self) -> int:
        """How many faces."""
        return len(self.embeddings)

    def nearest(self, embedding: npt.NDArray[np.float32], top: int) -> list[Candidate]:
        """The people nearest to a face, exactly; see `Enrolled`."""
        chosen, similarities = self.index.nearest(embedding, top)
        # Unit vectors: |a - b|^2 = 2 - 2 a.b
        distances = np.sqrt(np.maximum(2 - 2 * similarities, 0))
        return [Candidate(self.names[row], float(distance)) for row, distance in zip(chosen, distances, strict=True)]

    @cached_property
    def index(self) -> Index:
        """The references, to search."""
        return Index(self.references)

    @cached_property
    def references(self) -> npt.NDArray[np.float32]:
        """What a face is compared with: each person's mean embedding, of one face that face; float32 [people, size]."""
        order = np.argsort(self.person, kind="stable")
        begin = np.searchsorted(self.person[order], np.arange(len(self.names) + 1))
        kept = self.embeddings[order[begin[:-1]]]
        for first in range(0, len(self.names), _PEOPLE):
            some = begin[first : first + _PEOPLE + 1]
            several = np.flatnonzero(np.diff(some) > 1)
            if len(several):
                faces = self.embeddings[order[some[0] : some[-1]]].astype(np.float64)
                sums = np.add.reduceat(faces, some[:-1] - some[0], axis=0)
                kept[first + several] = directions(sums[several])
        return kept

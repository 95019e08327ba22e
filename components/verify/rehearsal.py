"""How a gallery would do: each of its photos searched for without itself, and strangers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.directions import directions
from components.verify.search import People

Distances = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_FACES = 1024  # searched for at a time
_Z = 1.959964  # of 95 %


@dataclass(frozen=True)
class Share:
    """A share of photos, with the interval in which it lies with 95 % for photos like them.

    Args:
        count: how many.
        of: of how many, at least one.
        low: lower end, 0 to 1.
        high: upper end.
    """

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def among(cls, flags: Flags, people: Places) -> Share:
        """Wilson's score interval (1927) for the number of independent photos that these are worth.

        Photos of one person are alike. Their number is divided by the design effect, how much more the share varies
        between people than between independent photos (Rao and Scott, 1992); where all or none of the photos count,
        which tells nothing of that, each person is one photo.

        Args:
            flags: bool [photos], which count; at least one photo.
            people: int64 [photos], whose they are, numbers from 0.
        """
        count, of, each = int(flags.sum()), len(flags), np.bincount(people)
        persons, share = np.count_nonzero(each), count / of
        worth = float(persons)
        if persons > 1 and 0 < share < 1:
            excess = np.bincount(people, flags) - share * each
            between = persons / (persons - 1) * (excess @ excess) / of**2
            effect = float(between / (share * (1 - share) / (of - 1)))
            worth = of / max(1.0, effect)
        middle = (share + _Z**2 / (2 * worth)) / (1 + _Z**2 / worth)
        half = _Z * np.sqrt(share * (1 - share) / worth + (_Z / (2 * worth)) ** 2) / (1 + _Z**2 / worth)
        return cls(count, of, float(max(0.0, middle - half)), float(min(1.0, middle + half)))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"count": self.count, "of": self.of, "share": self.count / self.of, "interval": [self.low, self.high]}

    def __str__(self) -> str:
        return f"{self.count} of {self.of} ({100 * self.low:.0f} to {100 * self.high:.0f} %)"


@dataclass(frozen=True)
class Outcome:
    """What a threshold gives.

    Args:
        recall: of the photos held back, those that get the right name.
        wrong: of the same, those that get another's.
        strangers: of the strangers' photos, those that get a name.
        precision: of all names that are given, the right ones; None when none is.
    """

    recall: Share
    wrong: Share
    strangers: Share
    precision: Share | None

    @property
    def right_answers(self) -> float:
        """The share of right answers when every second face is a stranger's: the right name, or none."""
        return (self.recall.count / self.recall.of + 1 - self.strangers.count / self.strangers.of) / 2


@dataclass(frozen=True)
class Searches:
    """The nearest person to each face that is searched for.

    Args:
        person: int64 [held back], whose faces those are, as positions in the gallery's names.
        nearest: int64 [held back], the nearest people, likewise.
        distance: float64 [held back], to them.
        stranger: int64 [strangers' faces], whose faces these are, numbers from 0.
        stranger_distance: float64 [strangers' faces], to the nearest people.
    """

    person: Places
    nearest: Places
    distance: Distances
    stranger: Places
    stranger_distance: Distances

    def outcome(self, distance: float) -> Outcome:
        """What a threshold gives, 0 to 2."""
        named, strangers_named = self.distance <= distance, self.stranger_distance <= distance
        right = named & (self.nearest == self.person)
        given = np.concatenate([right[named], np.zeros(int(strangers_named.sum()), bool)])
        others = self.stranger[strangers_named] + self.person.max() + 1
        return Outcome(
            Share.among(right, self.person),
            Share.among(named & ~right, self.person),
            Share.among(strangers_named, self.stranger),
            Share.among(given, np.concatenate([self.person[named], others])) if len(given) else None,
        )


def held_back(people: People) -> tuple[Places, Places, Distances]:
    """Searches a gallery for each of its faces as if that face were not in it.

    Args:
        people: the gallery; whoever has one face cannot be searched for, and can be taken for somebody else.

    Returns:
        Of each face of somebody with two or more: whose it is, who is nearest, and how far that is.
    """
    each = np.bincount(people.person, minlength=len(people.names))
    faces = np.flatnonzero(each[people.person] > 1)
    totals = np.zeros((len(people.names), people.embeddings.shape[1]))
    np.add.at(totals, people.person, people.embeddings)
    person, nearest, distance = people.person[faces].astype(np.int64), [], []
    for some, similarity in _similarities(people, people.embeddings[faces]):
        own, probes = person[some], people.embeddings[faces[some]].astype(np.float64)
        without = directions(totals[own] - probes)
        similarity[np.arange(len(own)), own] = np.einsum("nd,nd->n", without, probes)
        nearest.append(similarity.argmax(axis=1))
        distance.append(_as_distances(similarity.max(axis=1)))
    return person, np.concatenate(nearest), np.concatenate(distance)


def as_strangers(people: People) -> tuple[Places, Distances]:
    """Searches for each person's faces as if that person were not in the gallery, which has two people at least.

    Returns:
        Of each face whose it is, and how far the nearest of the others is.
    """
    person, distance = people.person.astype(np.int64), []
    for some, similarity in _similarities(people, people.embeddings):
        similarity[np.arange(len(similarity)), person[some]] = -1
        distance.append(_as_distances(similarity.max(axis=1)))
    return person, np.concatenate(distance)


def nearest_distances(people: People, faces: npt.NDArray[np.float32]) -> Distances:
    """How far the nearest person is from faces, float32 [faces, size]."""
    return np.concatenate([_as_distances(similarity.max(axis=1)) for _, similarity in _similarities(people, faces)])


def _similarities(people: People, faces: npt.NDArray[np.float32]) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Of some faces at a time, and everybody: float64 [some, people]."""
    for begin in range(0, len(faces), _FACES):
        some = slice(begin, begin + _FACES)
        yield some, (faces[some] @ people.references.T).astype(np.float64)


def _as_distances(similarities: npt.NDArray[np.float64]) -> Distances:
    distances: Distances = np.sqrt(np.maximum(2 - 2 * similarities, 0))
    return distances

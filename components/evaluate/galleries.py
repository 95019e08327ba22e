"""Who is enrolled in a gallery and who is a stranger to it, drawn several times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.evaluate.embeddings import Indices
from components.evaluate.folds import faces_alike

DRAWS = 5
SIZES = (10, 100, 1_000)
ENROLLED = (1, 2, 4, 8)
# One person is nobody to be confused with.
LEAST_PEOPLE = 2
# At most so many searches of either kind in all draws together: plenty for the smallest rate, and a bound on memory.
MOST_SEARCHES = 1_000_000
# And so many comparisons with a person in them: of a gallery ten times as large, which is drawn from ten times as many
# faces, a search takes ten times as long. Of one of 50,000 people these are 100,000 searches.
MOST_COMPARISONS = 5_000_000_000


@dataclass(frozen=True)
class Plan:
    """The galleries that some faces are enough for. All of them enrol people from among the same.

    The largest gallery holds half of the people, since the others are its strangers. Whatever the number of enrolled
    faces, people and probes are the same, so that what it gains can be seen: a mated search takes a face beyond the
    most that are enrolled.

    Args:
        people: how many people there are.
        enrollable: int64 [], the identities with more faces than the most that are enrolled.
        sizes: numbers of people enrolled, ascending; empty when there are too few.
        enrolled: numbers of faces of each, ascending from 1.
    """

    people: int
    enrollable: Indices
    sizes: list[int]
    enrolled: list[int]

    @classmethod
    def of(cls, identity: Indices) -> Plan:
        """Plans for some faces; `identity` is int64 [faces], numbers from 0.

        As many faces are enrolled at most as leave a probe to half of the people who have two or more.
        """
        counts = np.bincount(identity)
        several = counts[counts > 1]
        enrolled = [number for number in ENROLLED if len(several) and number < int(np.median(several))]
        people = int(np.count_nonzero(counts))
        enrollable = np.flatnonzero(counts > max(enrolled, default=1))
        largest = min(len(enrollable), people // 2)
        sizes = [*(size for size in SIZES if size < largest), largest] if largest >= LEAST_PEOPLE else []
        return cls(people, enrollable, sizes, enrolled)


@dataclass(frozen=True)
class Gallery:
    """One draw.

    Args:
        enrolled: int64 [people, most], faces of each person in the gallery, in the order in which they are enrolled.
        mated: int64 [searches], probes of people in the gallery.
        mate: int64 [searches], the person in the gallery who each of these is.
        strangers: int64 [searches], probes of people who are not in it.
    """

    enrolled: Indices
    mated: Indices
    mate: Indices
    strangers: Indices


def galleries(identity: Indices, plan: Plan, size: int, seed: int, draws: int = DRAWS) -> Iterator[Gallery]:
    """Draws galleries of one size; those of another size and the same seed hold the same people, or some of them.

    Nobody takes part with more faces than the median person has (`folds.faces_alike`). Beyond `MOST_SEARCHES` or
    `MOST_COMPARISONS`, each draw searches for its share of the probes, at even distances from person to person; the
    next for those beside them.

    Args:
        identity: int64 [faces], numbers from 0.
        plan: of these faces.
        size: of `plan.sizes`.
        seed: of all draws.
        draws: how many.
    """
    rng, most = np.random.default_rng(seed), plan.enrolled[-1]
    searches = min(MOST_SEARCHES, MOST_COMPARISONS // size)
    for draw in range(draws):
        faces = rng.permutation(faces_alike(identity, rng))
        faces = faces[np.argsort(identity[faces], kind="stable")]
        begin = np.searchsorted(identity[faces], np.arange(identity.max() + 1))
        people = rng.permutation(plan.enrollable)[:size]
        place = np.full(len(begin), -1)  # in the gallery
        place[people] = np.arange(size)
        mate, number = place[identity[faces]], np.arange(len(faces)) - begin[identity[faces]]
        mated = _some(np.flatnonzero((mate >= 0) & (number >= most)), draw, draws, searches)
        strangers = _some(np.flatnonzero(mate < 0), draw, draws, searches)
        yield Gallery(faces[begin[people, None] + np.arange(most)], faces[mated], mate[mated], faces[strangers])


def _some(probes: Indices, draw: int, draws: int, most: int) -> Indices:
    every = -(-len(probes) * draws // most) or 1
    return probes[draw % every :: every]

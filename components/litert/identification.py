"""Up to which distance a face is somebody's in a gallery: chosen for a rate of named strangers by an evaluation.

That share, FPIR (ISO/IEC 19795-1), grows with the people in a gallery and with the faces that make up their mean
embeddings, which lie nearer to everybody. An evaluation measures it for some sizes and numbers of faces; `promise` says
what holds for others. README.md says why, and benchmarks/README.md how well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from components.common.records import number, whole


@dataclass(frozen=True)
class GalleryThreshold:
    """A distance chosen for a rate of named strangers, in galleries of one kind.

    Args:
        people: how many were enrolled.
        faces: of each of them, 1 or more.
        fpir: the share of strangers' faces that got a name, above 0 and below 1.
        distance: Euclidean, 0 to 2: a face is the nearest person's at this distance or nearer.
        low: lower end of the 95 % interval of that share in one such gallery with other strangers.
        high: its upper end.

    Raises:
        ValueError: one is no number, or out of range.
    """

    people: int
    faces: int
    fpir: float
    distance: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if min(whole(self.people), whole(self.faces)) < 1:
            raise ValueError("a gallery has people, and these have faces")
        if not 0 < number(self.fpir) < 1 or not 0 <= number(self.low) <= number(self.high) <= 1:
            raise ValueError("a rate is above 0 and below 1, and an interval of shares has two ends")
        number(self.distance)


@dataclass(frozen=True)
class Promise:
    """What an evaluation says of strangers to a gallery: the distance, the rate, and its 95 % interval."""

    distance: float
    fpir: float
    low: float
    high: float


def promise(measured: Iterable[GalleryThreshold], people: int, faces: float, fpir: float) -> Promise | None:
    """The distance for a gallery that was not measured itself.

    - More people than a measured size, between two: linear in the logarithm of the size.
    - More than the largest: that of the largest at a smaller rate, as if the others were as many more chances.
    - Fewer than the smallest: that of the smallest.
    - Another number of faces: linear in 1 / faces.

    Args:
        measured: thresholds of an evaluation.
        people: how many are enrolled.
        faces: how many of each on average, 1 or more.
        fpir: the wanted rate, above 0 and below 1.

    Returns:
        None where nothing measured says anything of such a gallery.
    """
    by_faces: dict[int, list[GalleryThreshold]] = {}
    for row in measured:
        by_faces.setdefault(row.faces, []).append(row)
    known = sorted((enrolled, at) for enrolled, rows in by_faces.items() if (at := _of_size(rows, people, fpir)))
    if not known or faces < known[0][0] or (len(known) == 1 and faces > known[0][0]):
        return None
    if len(known) == 1:
        return known[0][1]
    # Beyond the last number of faces, the line through the last two.
    pairs = list(pairwise(known))
    (one, fewer), (other, more) = next((pair for pair in pairs if faces <= pair[1][0]), pairs[-1])
    return _between(fewer, more, (1 / one - 1 / faces) / (1 / one - 1 / other), fpir)


def _of_size(rows: Sequence[GalleryThreshold], people: int, fpir: float) -> Promise | None:
    """For galleries of one number of faces."""
    sizes = {row.people: [one for one in rows if one.people == row.people] for row in rows}
    known = {size: at for size, of_size in sizes.items() if (at := _at_rate(of_size, fpir))}
    smaller = max((size for size in known if size <= people), default=None)
    larger = min((size for size in known if size >= people), default=None)
    if larger is not None:
        if smaller in (None, larger):
            return known[larger]
        share = math.log(people / smaller) / math.log(larger / smaller)
        return _between(known[smaller], known[larger], share, fpir)
    # With independent chances 1 - FPIR is a power of the number of people; strangers differ in how many people they
    # look like, and so FPIR grows more slowly than that (Jensen's inequality).
    for size in sorted((size for size in sizes if size < people), reverse=True):
        at = _at_rate(sizes[size], 1 - (1 - fpir) ** (size / people))
        if at:
            return Promise(at.distance, fpir, fpir * at.low / at.fpir, fpir * at.high / at.fpir)
    return None


def _at_rate(rows: Sequence[GalleryThreshold], fpir: float) -> Promise | None:
    """For galleries of one kind: linear in the logarithm of the rate, between those that were measured."""
    rates = sorted((Promise(row.distance, row.fpir, row.low, row.high) for row in rows), key=lambda row: row.fpir)
    for one in rates:
        if math.isclose(one.fpir, fpir):
            return one
    for one, other in pairwise(rates):
        if one.fpir < fpir < other.fpir:
            return _between(one, other, math.log(fpir / one.fpir) / math.log(other.fpir / one.fpir), fpir)
    return None


def _between(one: Promise, other: Promise, share: float, fpir: float) -> Promise:
    """On the line through two, with the wider of their intervals."""
    return Promise(
        one.distance + share * (other.distance - one.distance),
        fpir,
        fpir * min(at.low / at.fpir for at in (one, other)),
        min(1, fpir * max(at.high / at.fpir for at in (one, other))),
    )

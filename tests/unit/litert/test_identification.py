"""What an evaluation says of galleries that it did not measure."""

from __future__ import annotations

import math

import pytest

from components.litert.identification import GalleryThreshold, promise


def chance(distance, faces):
    """Of a stranger to be as near to one person: as measured of dlib's network, a tenth for 0.04 less."""
    return 10 ** ((distance - 0.5 - 0.04 / faces) / 0.04)


def distance_of(people, faces, fpir):
    """Where so many independent chances have that rate."""
    return 0.5 + 0.04 / faces + 0.04 * math.log10(1 - (1 - fpir) ** (1 / people))


ROWS = [
    GalleryThreshold(people, faces, fpir, distance_of(people, faces, fpir), 0.5 * fpir, 2 * fpir)
    for people in (10, 100, 500)
    for faces in (1, 2)
    for fpir in (0.1, 0.01, 0.003)
]


@pytest.mark.parametrize(
    ("people", "faces", "fpir"),
    [
        *((10, 1, 0.1), (500, 2, 0.003)),  # measured
        *((30, 1, 0.01), (250, 2, 0.1), (50, 1, 0.05)),  # between
        *((10, 1.3, 0.01), (70, 3, 0.01), (10, 8, 0.1)),  # other numbers of faces
        *((900, 1, 0.01), (5000, 2.5, 0.1)),  # beyond the largest
    ],
)
def test_the_rate_is_kept_by_a_gallery_that_was_not_measured(people, faces, fpir):
    at = promise(ROWS, people, faces, fpir)
    assert 1 - (1 - chance(at.distance, faces)) ** people == pytest.approx(fpir, rel=0.05)
    assert (at.fpir, at.low, at.high) == pytest.approx((fpir, fpir / 2, 2 * fpir))


def test_fewer_people_than_the_smallest_gallery_get_its_distance_and_are_named_less():
    assert promise(ROWS, 3, 1, 0.01) == promise(ROWS, 10, 1, 0.01)


@pytest.mark.parametrize(
    ("rows", "people", "faces", "fpir"),
    [
        ([], 10, 1, 0.1),
        (ROWS, 10, 1, 0.001),  # smaller than any that was measured
        (ROWS, 10, 1, 0.5),
        (ROWS, 5000, 1, 0.01),  # as if 500 people had a tenth of it
        ([row for row in ROWS if row.faces == 1], 10, 2, 0.1),
    ],
)
def test_nothing_is_promised_that_was_not_measured(rows, people, faces, fpir):
    assert promise(rows, people, faces, fpir) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 1, 0.1, 0.5, 0.1, 0.1), "has people"),
        ((10, 1.0, 0.1, 0.5, 0.1, 0.1), "whole number"),
        ((10, 1, 1, 0.5, 0.1, 0.1), "above 0 and below 1"),
        ((10, 1, 0.1, "0.5", 0.1, 0.1), "a number is needed"),
        ((10, 1, 0.1, 0.5, 0.2, 0.1), "two ends"),
    ],
)
def test_what_is_no_threshold_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        GalleryThreshold(*row)

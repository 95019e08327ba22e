from __future__ import annotations

import numpy as np
import pytest

from components.common.alignment import ALIGNMENTS, AVERAGE_FACE, canonical, similarity, template

# In pixels of a crop of 112, as it is published.
ARCFACE = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]


def points(side: float = 112, shift: float = 0) -> list[list[float]]:
    return [[x / side + shift, y / side] for x, y in ARCFACE]


def test_a_similarity_is_found_again():
    random = np.random.default_rng(0)
    points = random.normal(size=5) + 1j * random.normal(size=5)
    turn, shift = similarity(points, (2 - 1j) * points + (3 + 4j))
    assert turn == pytest.approx(2 - 1j) and shift == pytest.approx(3 + 4j)


def test_a_noisy_similarity_is_that_of_numpys_least_squares():
    random = np.random.default_rng(1)
    points, targets = (random.normal(size=5) + 1j * random.normal(size=5) for _ in range(2))
    expected = np.linalg.lstsq(np.stack([points, np.ones(5)], axis=1), targets, rcond=None)[0]
    assert similarity(points, targets) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


def test_a_name_stands_for_itself_and_the_former_name_for_dlibs():
    assert [canonical(name) for name in ALIGNMENTS] == list(ALIGNMENTS)
    assert canonical("five-point") == "dlib"
    assert np.array_equal(template("dlib"), AVERAGE_FACE)


def test_arcfaces_eyes_are_where_arcface_has_them():
    places = template("arcface") * 112
    right, left = places[:2].mean(), places[2:4].mean()
    assert [left.real, left.imag] == pytest.approx(ARCFACE[0]) and [right.real, right.imag] == pytest.approx(ARCFACE[1])
    assert ARCFACE[2][1] < places[4].imag < ARCFACE[3][1]  # the nose ends between its tip and the mouth


def test_five_points_are_a_template_whichever_way_they_are_written():
    written = canonical(points())
    assert written == canonical(written) and written.count(",") == 9
    assert np.abs(template(written) - template("arcface")).max() < 1e-5
    smaller = template(canonical(points(side=160, shift=0.1)))
    assert np.abs(smaller - (template("arcface") * 112 / 160 + 0.1)).max() < 1e-5


@pytest.mark.parametrize(
    "value",
    [
        "none,none", "five", "", 5, None, [], [[0.3, 0.4]] * 5, points()[:4], [*points()[:4], [0.5]], "nan," * 9 + "1",
        points()[::-1], [points()[1], points()[0], *points()[2:]], points(side=1), [["0.1", 0.2]] * 5, {"eyes": 1},
    ],
)  # fmt: skip
def test_what_is_no_alignment_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        canonical(value)

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from components.extract.crop import LONGEST_SIDE, cut, square
from components.extract.decode import Photo


def test_the_crop_is_the_box_with_the_margin_on_every_side():
    assert square((100, 200, 180, 280), 0.25, 1000, 1000) == (80, 180, 200, 300)


def test_a_crop_at_the_edge_is_shifted_and_not_shrunk():
    assert square((-20, 0, 60, 80), 0.25, 1000, 1000) == (0, 0, 120, 120)
    assert square((950, 940, 1030, 1020), 0.25, 1000, 1000) == (880, 880, 1000, 1000)


def test_a_crop_larger_than_the_photo_is_its_shorter_side():
    assert square((10, 10, 290, 190), 0.25, 300, 200) == (50, 0, 250, 200)


def test_a_crop_is_always_square_and_inside_the_photo():
    random = np.random.default_rng(0)
    for _ in range(1000):
        width, height = (int(side) for side in random.integers(1, 500, 2))
        x0, y0 = (int(edge) for edge in random.integers(-100, 500, 2))
        box = (x0, y0, x0 + int(random.integers(1, 300)), y0 + int(random.integers(1, 300)))
        left, top, right, bottom = square(box, float(random.uniform(0, 2)), width, height)
        assert right - left == bottom - top >= 1
        assert left >= 0 and top >= 0 and right <= width and bottom <= height


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_small_crop_is_the_photos_own_pixels(portrait, encode, kind):
    photo = Photo(encode(portrait, kind), 10**8)
    box = (17, 5, 117, 105)
    assert cut(photo, box).tobytes() == photo.colour(1).crop(box).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [LONGEST_SIDE + 1, 600, 1100])
def test_a_large_crop_shows_the_same_as_the_photo_scaled_down(portrait, encode, kind, side):
    large = portrait.resize((1501, 1203), Image.Resampling.BICUBIC)
    box = (301, 77, 301 + side, 77 + side)
    crop = cut(Photo(encode(large, kind), 10**8), box)
    expected = large.resize((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, box=box)
    assert crop.size == expected.size
    assert np.abs(np.asarray(crop, float) - np.asarray(expected, float)).mean() < 3

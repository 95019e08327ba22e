from __future__ import annotations

import numpy as np
from PIL import Image

from benchmarks.extracting import found_of, found_too
from benchmarks.photos import ACROSS, DOWN, group

HERE, THERE = (0, 0, 100, 100), (300, 0, 400, 100)


def test_faces_are_counted_of_those_that_are_there_and_of_those_that_the_peer_found():
    mine, peers = [[(5, 0, 105, 100)], [THERE]], [[HERE, THERE], []]
    assert found_of([[HERE], [THERE, HERE]], mine, peers) == "2 and 1 of 3 faces found"
    assert found_too(mine, peers) == "1 of its 2 faces found, 2 in all"


def test_a_group_shows_each_face_in_its_size_where_it_says(tmp_path):
    people = []
    for number in range(ACROSS * DOWN):
        photo = Image.new("RGB", (90, 120), "black")
        photo.paste((250, 20 * number, 0), (20, 30, 60, 70))
        photo.save(tmp_path / f"{number}.png")
        people.append((tmp_path / f"{number}.png", (20, 30, 60, 70)))
    placed = group(people, tmp_path / "group.jpg", 800, 600, 100)
    with Image.open(tmp_path / "group.jpg") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (600, 800, 3)
    for number, (left, top, right, bottom) in enumerate(placed):
        assert (right - left, bottom - top) == (100, 100)
        np.testing.assert_allclose(
            pixels[top + 9 : bottom - 9, left + 9 : right - 9, :2].mean((0, 1)), (250, 20 * number), atol=4
        )
        for beside in (pixels[top - 9, left:right], pixels[bottom + 9, left:right], pixels[top:bottom, left - 9]):
            assert beside[:, 0].mean() < 20

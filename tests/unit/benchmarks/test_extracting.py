from __future__ import annotations

from PIL import Image

from benchmarks.extracting import found_of, found_too, ours, single
from benchmarks.photos import ACROSS, DOWN, group

HERE, THERE = (0, 0, 100, 100), (300, 0, 400, 100)


def test_faces_are_counted_of_those_that_are_there_and_of_those_that_the_peer_found():
    mine, peers = [[(5, 0, 105, 100)], [THERE]], [[HERE, THERE], []]
    assert found_of([[HERE], [THERE, HERE]], mine, peers) == "2 and 1 of 3 faces found"
    assert found_too(mine, peers) == "1 of its 2 faces found, 2 in all"


def test_a_group_shows_each_face_in_its_size_where_it_says(sample_photos, tmp_path):
    people = single(sorted(sample_photos.rglob("*.jpg"))[:4])
    chosen = [people[number % len(people)] for number in range(ACROSS * DOWN)]
    placed = group(chosen, tmp_path / "group.jpg", 1600, 1200, 200)
    with Image.open(tmp_path / "group.jpg") as picture:
        assert picture.size == (1600, 1200)
    assert {(right - left, bottom - top) for left, top, right, bottom in placed} == {(200, 200)}
    mine = ours([tmp_path / "group.jpg"], "all")
    assert found_of([placed], mine, mine) == "12 and 12 of 12 faces found"

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from components.common.errors import UsageError
from components.evaluate.drawn_pairs import draw_pairs
from components.evaluate.pairs_file import read_pairs_file

# Some people with one photo, most with a few, and one with many.
SIZES = [1] * 6 + [2] * 5 + [3] * 12 + [4] * 4 + [60]


def photos(sizes):
    return [f"p{person}/{i}.jpg" for person, size in enumerate(sizes) for i in range(size)]


def draw(tmp_path, sizes, folds=4, seed=0):
    paths = photos(sizes)
    file = tmp_path / "pairs.txt"
    file.write_text(draw_pairs(paths, [path.partition("/")[0] for path in paths], folds, seed))
    return read_pairs_file(file)


def test_each_person_gives_as_many_pairs_as_the_median_person_and_no_two_folds_share_one(tmp_path):
    file = draw(tmp_path, SIZES)
    assert file.folds == 4
    size = len(file.pairs) // 4
    people = [{photo[0] for pair in file.pairs[k * size : (k + 1) * size] for photo in pair} for k in range(4)]
    assert sum(map(len, people)) == len(set.union(*people))
    of_each = Counter(first[0] for first, second in file.pairs if first[0] == second[0])
    assert max(of_each.values()) == 3  # of three photos, as most have; the one with 60 has 1,770 pairs
    assert len({frozenset(pair) for pair in file.pairs}) == len(file.pairs)
    assert {photo for pair in file.pairs for photo in pair} <= {tuple(path.split("/")) for path in photos(SIZES)}
    for k in range(4):
        same = [first[0] == second[0] for first, second in file.pairs[k * size : (k + 1) * size]]
        assert same == [True] * (size // 2) + [False] * (size // 2)


def test_a_person_with_many_photos_is_in_no_more_pairs_of_different_people(tmp_path):
    seen = Counter(
        photo[0]
        for seed in range(30)
        for a, b in draw(tmp_path, SIZES, seed=seed).pairs
        if a[0] != b[0]
        for photo in (a, b)
    )
    others = [seen[f"p{person}"] for person in range(len(SIZES) - 1)]
    assert seen[f"p{len(SIZES) - 1}"] < 2 * np.mean(others)


def test_the_seed_decides(tmp_path):
    assert draw(tmp_path, SIZES) == draw(tmp_path, SIZES)
    assert draw(tmp_path, SIZES) != draw(tmp_path, SIZES, seed=1)


@pytest.mark.parametrize("sizes", [[2, 2], [1, 9, 2], [3, 3, 3]])
def test_few_people_make_one_fold(tmp_path, sizes):
    assert draw(tmp_path, sizes, folds=10).folds == 1


@pytest.mark.parametrize("sizes", [[5], [1, 1, 1], [2, 1]])
def test_too_few_photos_are_refused_with_what_there_is(tmp_path, sizes):
    with pytest.raises(UsageError, match=rf"(?s)too few photos.*{sum(sizes)} photo.* of {len(sizes)} p"):
        draw(tmp_path, sizes)


@pytest.mark.parametrize("name", ["a\tb/1.jpg", "a/1\n.jpg"])
def test_a_name_that_no_line_can_hold_is_refused(name):
    with pytest.raises(UsageError, match="tab or a line break"):
        draw_pairs([name, "b/1.jpg"], ["a", "b"], 2, 0)

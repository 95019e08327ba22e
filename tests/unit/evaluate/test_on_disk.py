"""Embeddings in a file against the same in an array."""

from __future__ import annotations

from mmap import ALLOCATIONGRANULARITY
from tempfile import TemporaryFile

import numpy as np
import pytest

from components.evaluate import on_disk
from components.evaluate.on_disk import OnDisk, at, empty, empty_like, take

ROWS = 2 * ALLOCATIONGRANULARITY + 5


@pytest.fixture(params=[3, 128], ids=["rows across pages", "rows within pages"])
def both(request, tmp_path, monkeypatch):
    """The same vectors in an array and, written some after others, in a file of which little is mapped at a time."""
    monkeypatch.setattr(on_disk, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(on_disk, "_MOST_MAPPED", 1)
    vectors = np.random.default_rng(0).normal(size=(ROWS, request.param)).astype(np.float32)
    stored = empty(vectors.shape, tmp_path)
    for begin in range(0, ROWS, 1000):
        stored[begin : begin + 1000] = vectors[begin : begin + 1000]
    assert isinstance(stored, OnDisk) and len(stored) == ROWS and stored.shape == vectors.shape
    return vectors, stored


@pytest.mark.parametrize(
    "rows",
    [
        *(slice(0, 0), slice(5, 9), slice(ROWS - 7, ROWS + 9), slice(None)),
        *(np.array(some, np.int64) for some in ([], [ROWS - 1, 3, 3, 0], [[1, ROWS - 2], [7000, 2]])),
        np.random.default_rng(1).integers(0, ROWS, (50, 4), dtype=np.int32),
    ],
    ids=lambda rows: str(rows).replace("\n", "")[:30],
)
def test_any_rows_are_those_of_the_array(both, rows):
    vectors, stored = both
    np.testing.assert_array_equal(stored[rows], vectors[rows])


def test_rows_that_were_chosen_are_those_of_the_array_and_may_be_chosen_from(both):
    vectors, stored = both
    some, of_these = np.random.default_rng(2).integers(0, ROWS, 900), np.array([5, 899, 5, 0])
    chosen = at(stored, some)
    assert isinstance(chosen, OnDisk) and len(chosen) == 900
    np.testing.assert_array_equal(chosen[slice(None)], vectors[some])
    np.testing.assert_array_equal(at(chosen, of_these)[slice(None)], vectors[some][of_these])
    np.testing.assert_array_equal(at(vectors, some), vectors[some])


def test_a_window_begins_where_a_page_and_a_row_do_and_is_no_larger_than_it_may_be(tmp_path):
    for size in (3, 100, 128, 1024):
        with TemporaryFile(dir=tmp_path) as file:
            window = OnDisk((0, size), file, tmp_path)._window
        assert window * 4 * size % ALLOCATIONGRANULARITY == 0
        assert 2**22 < window * 4 * size <= 2**23


def test_rows_counted_from_the_end_are_refused_rather_than_wrong(both):
    with pytest.raises(IndexError, match="from the end"):
        both[1][np.array([0, -1])]


def test_rows_are_taken_into_memory_that_is_there(both):
    rows, out = np.array([9, ROWS - 1, 9]), np.empty((3, both[0].shape[1]), np.float32)
    for vectors in both:
        out[:] = np.nan
        assert take(vectors, rows, out) is out
        np.testing.assert_array_equal(out, both[0][rows])


def test_as_many_are_where_the_first_are_and_a_file_has_no_name(both, tmp_path):
    vectors, stored = both
    other = empty_like(stored)
    other[slice(0, 2)] = vectors[:2] + 1
    np.testing.assert_array_equal(other[slice(0, 2)], vectors[:2] + 1)
    np.testing.assert_array_equal(stored[slice(0, 2)], vectors[:2])
    assert isinstance(other, OnDisk) and isinstance(empty_like(vectors), np.ndarray)
    assert not list(tmp_path.iterdir())


def test_few_are_in_memory_and_so_are_those_that_are_needed_there(tmp_path):
    fitting = on_disk.MOST_IN_MEMORY // 4 // 128
    assert isinstance(empty((fitting, 128), tmp_path), np.ndarray)
    assert isinstance(empty((fitting + 1, 128), tmp_path / "not" / "there"), OnDisk)
    assert isinstance(empty((fitting + 1, 128), None), np.ndarray)
    assert not list(tmp_path.iterdir())

"""Threads that multiply alone."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from components.common.cores import cores, threads


def numpys_threads():
    return [library["num_threads"] for library in threadpool_info() if "numpy" in library["filepath"]]


def test_a_product_takes_one_thread_while_there_are_ours_and_as_many_as_before_when_they_have_ended():
    assert (np.eye(2) @ np.eye(2)).sum() == 2
    before = numpys_threads()
    with threads() as pool:
        assert pool.submit(numpys_threads).result() == [1]
        assert pool._max_workers == cores()
    assert numpys_threads() == before

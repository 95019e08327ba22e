"""How many processors there are, and a thread for each of them, with none of the matrix library's beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from components.common.command import TENSORFLOW_THREADS

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import ThreadpoolController


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tensorflow_threads() -> int:
    """How many threads TensorFlow will have in this process, unless it has begun already."""
    said = os.environ.get(TENSORFLOW_THREADS, "")
    return int(said) if said.isdecimal() and int(said) else cores()


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as cores, each of which computes its matrix products alone.

    The threads that OpenBLAS has for a product wait for the next one without sleeping, for up to 30 ms, on cores that
    ours have other work for: half of the processor time of a mining went into that.
    """
    from concurrent.futures import ThreadPoolExecutor

    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        yield pool


@cache
def _libraries() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # not installed where nothing is multiplied in threads

    return ThreadpoolController()  # looks through all that is loaded: 15 ms, once TensorFlow is

"""The processors: how many, what they can do, and a thread for each in which the matrix library uses no others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.command import TENSORFLOW_THREADS

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import ThreadpoolController

# As Linux describes them, and what it calls instructions for bfloat16, on x86 and on ARM.
PROCESSOR = Path("/proc/cpuinfo")
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def has_bfloat16(processor: Path = PROCESSOR) -> bool | None:
    """Whether a processor has instructions for bfloat16, by its description; None where that does not say."""
    described = processor.is_file() and re.search(r"^(?:flags|Features)\s*:(.*)", processor.read_text(), re.MULTILINE)
    return bool(_BFLOAT16 & set(described[1].split())) if described else None


def cores() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tensorflow_threads() -> int:
    """The number of threads that TensorFlow will have in this process, unless it has started already."""
    setting = os.environ.get(TENSORFLOW_THREADS, "")
    return int(setting) if setting.isdecimal() and int(setting) else cores()


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool of as many threads as cores, each of which computes its matrix products alone.

    OpenBLAS's own threads wait for the next product without sleeping, for up to 30 ms, on cores that these threads
    need: that took half of the processor time of a mining.
    """
    from concurrent.futures import ThreadPoolExecutor

    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        yield pool


@cache
def _libraries() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # not installed where no products are computed in threads

    return ThreadpoolController()  # searches all loaded libraries: 15 ms once TensorFlow is loaded

"""What decides a benchmark's figures besides its code: the kernels of matrix libraries, and variables."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Not those that libraries set for themselves as they are imported (KMP), nor other programs' of the same prefix.
_VARIABLES = re.compile(
    r"(OPENBLAS|GOTO|OMP|GOMP|MKL|ONEDNN|DNNL|NPY)_|TF_(ENABLE|NUM|XLA|ONEDNN)_|XLA_FLAGS|GLIBC_TUNABLES"
)


def blas() -> str:
    """The matrix libraries that this process has loaded, each with the kernel that it chose when it was loaded.

    Returns:
        As `numpy openblas 0.3.31 Haswell, faiss_cpu openblas 0.3.15 Zen`; `unknown` where threadpoolctl is not
        installed, as beside `verify` alone.
    """
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return "unknown"
    return ", ".join(
        " ".join((_package(one["filepath"]), one["internal_api"], one["version"] or "", one.get("architecture", "")))
        for one in threadpool_info()
        if one["user_api"] == "blas"
    )


def _package(library: str) -> str:
    """Whose library it is: a wheel keeps its own in a folder that bears its name."""
    return Path(library).parent.name.removesuffix(".libs")


def environment() -> str:
    """Variables that change how libraries compute and in how many threads, as `OMP_NUM_THREADS=1`; empty if none."""
    return " ".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if _VARIABLES.match(name))

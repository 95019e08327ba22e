"""What changes the numbers of a task besides its code and its inputs: packages, and variables of the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# The variables of TensorFlow and XLA, Keras, oneDNN, BLAS and OpenMP, NumPy and Arrow, libjpeg-turbo, LiteRT's kernels,
# CUDA, and the C library, which chooses its mathematics by them: read in their sources and in the wheels themselves.
_FAMILIES = re.compile(
    r"(TF|XLA|KERAS|ONEDNN|DNNL|ZENDNN|OPENBLAS|GOTO|MKL|OMP|GOMP|KMP|NPY|ARROW|JSIMD|RUY|LITERT|CUDA|CUDNN|CUBLAS|NCCL"
    r"|NVIDIA)_|GLIBC_TUNABLES"
)
_LOGS = "TF_CPP_"  # how much TensorFlow says

# A line of a lock, as `tensorflow==2.21.0 ; platform_machine == 'aarch64' \`.
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
_INSTALLED = ".dist-info"


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the environment's variables that change what libraries compute."""
    return {name: value for name, value in environment.items() if _FAMILIES.match(name) and not name.startswith(_LOGS)}


def packages(lock: Path | None, places: Iterable[str] | None = None) -> dict[str, Any]:
    """The versions of the packages that a task of this interpreter loads; those of its image, if they are the same.

    Args:
        lock: what its component's image is made of, which is all that it needs; None when nobody says what it needs:
            then everything that is installed counts.
        places: where packages are installed; `sys.path` when None.
    """
    installed = _installed_versions(sys.path if places is None else places)
    if lock is None:
        return installed
    pinned = packages_of_image(lock)
    return pinned | {name: one for name, one in installed.items() if name in pinned and one not in pinned[name]}


def packages_of_image(lock: Path) -> dict[str, list[str]]:
    """The versions in the image that is made of a lock; of some packages one for each kind of processor."""
    versions: dict[str, list[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        versions.setdefault(_plain(name), []).append(version)
    return versions


def _installed_versions(places: Iterable[str]) -> dict[str, str]:
    """The versions by name. Of the folders' names: `importlib.metadata` reads every file there, 0.1 s for each run."""
    versions: dict[str, str] = {}
    for folder in filter(os.path.isdir, places):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(_INSTALLED)]
        for name in names:
            package, _, version = name.removesuffix(_INSTALLED).partition("-")
            versions.setdefault(_plain(package), version)  # what comes first is what is imported
    return versions


def _plain(name: str) -> str:
    """A package's name in the one form that all its spellings have (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()

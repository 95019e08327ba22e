"""How long a gallery takes: `taskset -c 0 python -m benchmarks.gallery`, from the repository's root, for one core."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.libraries import blas, environment
from components.common.command import run
from components.common.preprocessing import Crop
from components.embed.network import Network
from components.verify.gallery import Enrollment, open_gallery

_ROWS = 10_000
_FACES_EACH = 4
_QUERIES = 20


@dataclass(frozen=True)
class Settings:
    """Write, load and search a gallery of random embeddings."""

    faces: int = 1_000_000
    """How many."""
    size: int = 128
    """Length of an embedding."""


def _entries(faces: int, size: int) -> Iterator[Enrollment]:
    rng = np.random.default_rng(0)
    for start in range(0, faces, _ROWS):
        rows = rng.normal(size=(min(_ROWS, faces - start), size)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for number, row in enumerate(rows, start):
            yield Enrollment(f"person {number // _FACES_EACH}", f"{number:032x}", f"{number}.jpg", row)


def _gallery(settings: Settings) -> None:
    network = Network(Crop(0.25, "none"), 64, settings.size, "0" * 64, lambda images, bar: np.empty(0, np.float32))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gallery.db"
        began = time.perf_counter()
        with open_gallery(file, network, create=True) as gallery:
            added = gallery.add(_entries(settings.faces, settings.size))
        written = time.perf_counter() - began
        print(f"{added.total_faces:,} faces of {added.total_people:,} people, {settings.size} numbers each")
        print(f"written in {written:.1f} s, {file.stat().st_size / 1e6:.0f} MB")
        began = time.perf_counter()
        with open_gallery(file, network) as gallery:
            people = gallery.people()
        searched = len(people.references)  # made once, for the first search
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{searched:,} people loaded in {time.perf_counter() - began:.1f} s, {memory:.0f} MB resident at most")
    times = []
    for query in people.embeddings[:_QUERIES].copy():
        began = time.perf_counter()
        people.nearest(query, 3)
        times.append(1000 * (time.perf_counter() - began))
    print(f"searched in {np.median(times):.0f} ms (median of {_QUERIES}; {min(times):.0f} to {max(times):.0f})")
    print(" ".join(("with", blas(), environment())))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    return run(Settings, _gallery, argv, prog="benchmarks.gallery")


if __name__ == "__main__":
    sys.exit(main())

"""What a face costs, per model: `python -m benchmarks.faces MODEL.tflite ...`, from the repository's root.

Needs what verify needs and nothing else, so it runs on a Raspberry Pi as well. Appends a row for each model to a CSV
file.
"""

from __future__ import annotations

import csv
import multiprocessing
import platform
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from benchmarks.libraries import blas, environment
from components.common.command import run
from components.common.cores import cores
from components.common.errors import FacenetError
from components.common.flags import Flag
from components.common.preprocessing import pixels
from components.embed.network import open_network
from components.extract.align import align, landmark_model
from components.extract.crop import cut, encode, square
from components.extract.decode import Photo
from components.extract.detect import LONG_SIDE, detect
from components.extract.photo import MAX_PIXELS
from components.extract.scan import below
from components.sample.folder import draw
from components.verify.search import People

GALLERY = 10_000
_DRAWN = 12


@dataclass(frozen=True)
class Settings:
    """Measure, for each model in a process of its own, what its faces cost: medians, in milliseconds."""

    models: Annotated[tuple[Path, ...], Flag(positional=True)]
    """.tflite files, or checkpoint folders."""
    photos: Path | None = None
    """A folder of photos with a face each; drawn ones when not given."""
    csv: Path = Path("benchmarks/faces.csv")
    """The file that gets a row for each model."""


@dataclass
class Stopwatch:
    """Milliseconds by the name of what took them."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measures the block."""
        began = time.perf_counter()
        yield
        self.taken.setdefault(name, []).append(1000 * (time.perf_counter() - began))

    def medians(self) -> dict[str, float]:
        """The median of each, without the first, which warms up."""
        return {f"{name}_ms": round(statistics.median(times[1:]), 2) for name, times in self.taken.items()}


def _crop(photo: Photo, box: Any, crop: Any, landmarks: Path | None) -> bytes:
    if landmarks is not None:
        return encode(align(photo, box, crop, landmarks)[0])
    return encode(cut(photo, square(box, crop.margin, photo.width, photo.height)))


def measured(model: Path, photos: Sequence[Path]) -> dict[str, Any]:
    """What the faces of photos cost with a model.

    Returns:
        decode_ms (the grey copy that is searched), detect_ms, cut_ms (the face in colour), embed_ms, compare_ms (with a
        gallery of `GALLERY` faces), open_ms (of the model), memory_mb (resident at most), file_mb; and `blas` and
        `environment` of `benchmarks.libraries`.
    """
    watch = Stopwatch()
    began = time.perf_counter()
    network = open_network(model)
    open_ms = 1000 * (time.perf_counter() - began)
    landmarks = None if network.crop.alignment == "none" else landmark_model(None)
    rows = np.random.default_rng(0).normal(size=(GALLERY, network.embedding_size)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = People([str(number) for number in range(GALLERY)], np.arange(GALLERY, dtype=np.int32), rows)
    for file in photos:
        data = file.read_bytes()
        with watch("decode"):
            photo = Photo(data, MAX_PIXELS)
            grey = photo.small("L", LONG_SIDE)
        with watch("detect"):
            found = detect(grey, photo.width, photo.height)
        for face in found:
            with watch("cut"):
                image = _crop(photo, face.box, network.crop, landmarks)
            with watch("embed"):
                (embedding,) = network.embed(pixels(image, network.image_size)[None], None)
            with watch("compare"):
                people.nearest(embedding, 3)
    if len(watch.taken.get("embed", ())) < 2:
        raise FacenetError("Two faces are needed, one of them to warm up.", received=f"{len(photos)} photos")
    size = sum(part.stat().st_size for part in ([model] if model.is_file() else model.iterdir()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        **watch.medians(), "open_ms": round(open_ms, 1), "memory_mb": round(memory), "file_mb": round(size / 1e6, 2),
        "blas": blas(), "environment": environment(),
    }  # fmt: skip


def machine() -> str:
    """The board's or the processor's name, as far as the system tells it."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text().strip("\0\n ")
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)", cpu.read_text(), re.MULTILINE) if cpu.is_file() else None
    return found[1].strip() if found else platform.machine()


def _alone(model: Path, photos: Sequence[Path]) -> dict[str, Any]:
    """`measured` in a new process, so that its memory is one model's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, model, photos).result()


def _faces(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as drawn:
        folder = settings.photos or Path(drawn)
        if settings.photos is None:
            draw(folder / "people", identities=_DRAWN, photos=1, seed=0)
        photos = [folder / name for name in below(folder, loose=True).photos]
        new = not settings.csv.is_file()
        with settings.csv.open("a", newline="") as file:
            rows = csv.writer(file)
            for model in settings.models:
                row = {"machine": machine(), "cores": cores(), "model": model.name, **_alone(model, photos)}
                print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
                if new:
                    rows.writerow(row)
                rows.writerow(row.values())
                new = False


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    return run(Settings, _faces, argv, prog="benchmarks.faces")


if __name__ == "__main__":
    sys.exit(main())

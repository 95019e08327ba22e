"""Collect from a generated faces manifest of millions of rows: `python -m benchmarks.collecting ROWS ...`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.harness import command_line
from benchmarks.harness import write as write_row
from components.common.manifest import BOX, FACES, ROWS_PER_PART, writer
from components.extract.crop import encode


def generated(folder: Path, rows: int, faces_each: int = 20, images: Sequence[bytes] = (), side: int = 9) -> None:
    """A faces manifest, each hundredth a copy of the one before.

    Args:
        folder: where it goes.
        rows: how many faces.
        faces_each: how many of a person.
        images: encoded crops, taken in turn; a tiny one of one colour when there are none.
        side: of these, in pixels.
    """
    rng = np.random.default_rng(0)
    images = images or [encode(Image.new("RGB", (side, side)))]
    about = {"which_faces": "largest", "margin": 0.25, "alignment": "none", "detector": "unknown"}
    with writer(folder, FACES, about) as target:
        for start in range(0, rows, ROWS_PER_PART):
            numbers = np.arange(start, min(start + ROWS_PER_PART, rows))
            original = np.where(numbers % 100 == 99, numbers - 1, numbers)
            people = np.char.add("person ", (original // faces_each).astype(str))
            ids = np.char.mod("%032x", original)
            corners = pa.array(np.tile([0, 0, side, side], len(numbers)), pa.int32())
            boxes = pa.FixedSizeListArray.from_arrays(corners, 4)
            target.add(
                pa.table(
                    {
                        "face_id": ids,
                        "photo_path": np.char.add(np.char.add(people, "/"), np.char.add(numbers.astype(str), ".jpg")),
                        "photo_sha256": np.char.zfill(ids, 64),
                        "identity": people,
                        "box": boxes.cast(BOX),
                        "crop_box": boxes.cast(BOX),
                        "detector": ["none"] * len(numbers),
                        "score": rng.random(len(numbers), np.float32),
                        "landmarks": pa.nulls(len(numbers), pa.list_(pa.float32(), 10)),
                        **{name: pa.nulls(len(numbers), FACES.schema.field(name).type) for name in FACES.since},
                        "phash": original.astype(np.uint64),
                        "image": [images[number % len(images)] for number in numbers.tolist()],
                        "width": np.full(len(numbers), side, np.int32),
                        "height": np.full(len(numbers), side, np.int32),
                    },
                    schema=FACES.schema,
                )
            )


def collected(faces: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds by the clock, of processor time, and megabytes resident at most, of the whole command with its card."""
    command = [sys.executable, "-m", "components.collect", "-i", str(faces), "-o", str(folder / "dataset")]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--html", str(folder / "card.html")], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def main() -> None:
    """Each number of rows in turn."""
    parser = command_line(__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[1_000_000], help="rows of the manifest (1000000)")
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            generated(folder / "faces", rows)
            clock, processor, megabytes = collected(folder / "faces", folder)
            write_row(
                {
                    "what": f"collect, {rows:,} rows",
                    "ours_s": clock,
                    "ours_processor_s": processor,
                    "ours_mb": megabytes,
                }
            )


if __name__ == "__main__":
    main()

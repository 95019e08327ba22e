"""Collect from a generated faces manifest of millions of rows: `python -m benchmarks.collecting ROWS ...`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.harness import command_line
from benchmarks.harness import write as write_row
from components.common.manifest import BOX, FACES, ROWS_PER_PART, writer
from components.extract.crop import encode

_FACES_EACH = 20


def generated(folder: Path, rows: int) -> None:
    """A faces manifest with 20 faces a person, each hundredth a copy of the one before, and tiny images."""
    rng = np.random.default_rng(0)
    image = encode(Image.new("RGB", (9, 9)))
    about = {"which_faces": "largest", "margin": 0.25, "alignment": "none", "detector": "none"}
    with writer(folder, FACES, about) as target:
        for start in range(0, rows, ROWS_PER_PART):
            numbers = np.arange(start, min(start + ROWS_PER_PART, rows))
            original = np.where(numbers % 100 == 99, numbers - 1, numbers)
            people = np.char.add("person ", (original // _FACES_EACH).astype(str))
            ids = np.char.mod("%032x", original)
            boxes = pa.FixedSizeListArray.from_arrays(pa.array(np.tile([0, 0, 9, 9], len(numbers)), pa.int32()), 4)
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
                        "phash": original.astype(np.uint64),
                        "image": [image] * len(numbers),
                        "width": np.full(len(numbers), 9, np.int32),
                        "height": np.full(len(numbers), 9, np.int32),
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

"""The sample as a folder with a folder of photos for each person: drawn on all cores, whole or absent, never twice."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.common.atomic import new_directory, write_file
from components.common.cores import cores
from components.common.errors import MALFORMED, FacenetError, UsageError
from components.common.progress import progress
from components.sample.picture import portraits

# Inside the folder, so that it moves, is copied and is deleted with the photos it describes; hidden, so that
# the folder shows people only.
RECORD = ".sample.json"


@dataclass(frozen=True)
class Sample:
    """What decides a sample: the same three numbers give the same photos."""

    identities: int
    photos: int
    seed: int


def draw(output: Path, *, identities: int, photos: int, seed: int, workers: int | None = None) -> int:
    """Draws photos of people who do not exist into `output/person-00000/00.jpg` and so on.

    A person depends only on the seed and the person's number, and a photo only on the person and its own number: a
    larger sample contains a smaller one of the same seed, and the number of workers changes nothing.

    Args:
        output: the folder to write; it appears whole. A folder that already holds this very sample is left alone.
        identities: number of people, at least 1.
        photos: number of photos of each person, at least 1.
        seed: at least 0.
        workers: number of processes; one per core when None.

    Returns:
        The number of photos written: 0 when the sample was already there.

    Raises:
        UsageError: a number is out of range, or `output` holds something else, which is never overwritten.
        FacenetError: a worker process died.
    """
    for flag, value, least in (("identities", identities, 1), ("photos", photos, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"--{flag} is too small.", received=value, advice=f"Give a whole number from {least} up.")
    sample = Sample(identities, photos, seed)
    if is_drawn(output, sample):
        return 0
    with new_directory(output, ["person-*", RECORD]) as folder, progress(identities * photos, "draw photos") as bar:
        sizes: dict[str, int] = {}
        for person_sizes in _draw_people(folder, sample, workers or cores()):
            sizes |= person_sizes
            bar.update(photos)
        record = {"sample": asdict(sample), "code": _code(), "bytes": dict(sorted(sizes.items()))}
        write_file(folder / RECORD, json.dumps(record))
    return len(sizes)


def is_drawn(output: Path, sample: Sample) -> bool:
    """Whether `output` holds this sample, drawn by this code, with no photo missing.

    Returns:
        False also when `output` may be replaced: it is absent, empty, or holds nothing but photos of this very
        sample, some of them missing or drawn by an earlier version of the code.

    Raises:
        UsageError: `output` holds something else.
    """
    if not output.exists():
        return False
    present = _files(output)
    if not present:
        return False
    record = _record(output)
    known = record.get("bytes", {})
    foreign = sorted(name for name, size in present.items() if name != RECORD and known.get(name) != size)
    if foreign:
        raise UsageError(
            "This folder holds something that was not drawn here; it is left as it is.",
            received=f"{output}, with {foreign[0]}",
            advice="Choose another folder with -o.",
        )
    if record["sample"] != asdict(sample):
        raise UsageError(
            "This folder holds another sample; it is left as it is.",
            received=f"{output}, with {_flags(record['sample'])}; asked for {_flags(asdict(sample))}",
            advice="Choose another folder with -o, or delete this one first.",
        )
    return record["code"] == _code() and len(present) == len(known) + 1


def _flags(values: dict[str, int]) -> str:
    return " ".join(f"--{name} {value}" for name, value in values.items())


def _files(folder: Path) -> dict[str, int]:
    """Size in bytes of every file below a folder, by its path relative to it."""
    if not folder.is_dir():
        raise UsageError(
            "The sample is a folder, but a file is in its place.",
            received=folder,
            advice="Choose another place with --output.",
        )
    sizes: dict[str, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            sizes[path.relative_to(folder).as_posix()] = path.lstat().st_size
    return sizes


def _record(folder: Path) -> dict[str, Any]:
    """The record that `draw` wrote of the sample in a folder; empty when there is none."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, *MALFORMED):
        return {}
    complete = isinstance(record, dict) and record.keys() >= {"sample", "code", "bytes"}
    return record if complete else {}


def _code() -> str:
    """Digest of the modules that draw: other code draws another sample."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _draw_people(folder: Path, sample: Sample, workers: int) -> Iterator[dict[str, int]]:
    """Draws all people in several processes; yields the sizes of each person's photos when they are written."""
    workers = min(workers, sample.identities)
    if workers == 1:
        yield from (draw_person(folder, sample, number) for number in range(sample.identities))
        return
    with _pool(workers) as pool:
        try:
            tasks: list[Future[dict[str, int]]] = [
                pool.submit(draw_person, folder, sample, number) for number in range(sample.identities)
            ]
            yield from (task.result() for task in as_completed(tasks))
        except BrokenProcessPool as error:
            raise FacenetError(
                "A process that draws photos died.",
                advice="This happens when memory runs out: close other programs and try again.",
            ) from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: a caller may have threads of its own (TensorFlow's, a test runner's).
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def draw_person(folder: Path, sample: Sample, number: int) -> dict[str, int]:
    """Writes the photos of one person; returns their sizes in bytes by their path inside the sample."""
    name = f"person-{number:05d}"
    (folder / name).mkdir()
    sizes = {}
    for photo, encoded in enumerate(portraits(sample.seed, number, sample.photos)):
        path = folder / name / f"{photo:02d}.jpg"
        path.write_bytes(encoded)
        sizes[f"{name}/{path.name}"] = len(encoded)
    return sizes

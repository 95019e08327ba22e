"""The crops behind a dataset, decoded: a dataset points into its faces manifest and copies no image bytes."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.errors import MALFORMED, FacenetError, UsageError
from components.common.manifest import (
    DATASET,
    FACES,
    Folders,
    about,
    folder_names,
    open_part,
    order_shards,
    parts,
    reading,
)
from components.common.preprocessing import Crop, pixels
from components.common.progress import progress

# More decoded crops than this lie in a temporary file, which the system pages in and out.
MEMORY_LIMIT_BYTES = 4 * 2**30


def faces_of(dataset: Path, faces: Sequence[Path]) -> tuple[Path, ...]:
    """Where the faces manifest of a dataset lies: the folders that are given, or where collect read it."""
    if not faces:
        stored = about(dataset, DATASET).get("faces")
        relative = [stored] if isinstance(stored, str) else stored  # one text before there were shards
        if not isinstance(relative, list) or not all(isinstance(path, str) for path in relative):
            raise UsageError(
                "This dataset does not say where its faces lie.", received=dataset, advice="Say it with --faces FACES."
            )
        faces = [Path(os.path.normpath(dataset / path)) for path in relative]
    return order_shards(faces, FACES)


def crop_of(faces: Folders) -> Crop:
    """How the faces of a manifest were cut out."""
    record = about(faces, FACES)
    try:
        # There the detector has its version: "dlib-hog 20.0.1".
        (detector,) = re.findall(r"^\w+", record.get("detector", "dlib"))
        return Crop.from_json({"margin": record["margin"], "alignment": record["alignment"], "detector": detector})
    except MALFORMED as error:
        raise UsageError(
            "This faces manifest does not say how its faces were cut out.",
            received=f"{folder_names(faces)} ({error!r})",
            advice="Run `facenet extract` again.",
        ) from error


def check_crop(faces: Folders, network: Path, needed: Crop) -> float:
    """Checks that faces were cut out the way a network needs them, or wider; says so where another detector found them.

    Args:
        faces: the faces manifest.
        network: where the network lies, for the message.
        needed: how its own faces were cut out.

    Returns:
        The middle part of each face that the network is to see, in (0, 1]; see `Crop.share_of`.

    Raises:
        UsageError: they were cut out in another way.
    """
    crop = crop_of(faces)
    share = needed.share_of(crop)
    if share is None:
        raise UsageError(
            "These faces were not cut out the way the network was trained.",
            received=f"faces: {crop}; {network}: {needed}",
            advice=f"Run `facenet extract {needed.flags}`, then collect; or give the network's dataset.",
        )
    if said := needed.mixed_with(crop):
        print(f"{folder_names(faces)}: {said}")
    return share


def _allocate(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if math.prod(shape) <= MEMORY_LIMIT_BYTES:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # unlinked at once, so that it goes with the array
        try:
            # Reserved at once: where a page finds no room later, the system ends the process without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, math.prod(shape))
        except OSError as error:
            raise FacenetError(
                "There is not enough room for the decoded faces.",
                received=f"{math.prod(shape) / 2**30:,.1f} GiB in {tempfile.gettempdir()} ({error.strerror})",
                advice="Let TMPDIR name a folder on a larger disk, or use a smaller --image_size.",
            ) from error
        return np.memmap(file, np.uint8, "w+", shape=shape)


def decode_crops(rows: pa.Table, faces: Folders, image_size: int, share: float = 1.0) -> npt.NDArray[np.uint8]:
    """Decodes the crops of some rows of a dataset, on all cores, each row group of the faces manifest once.

    Args:
        rows: rows of a dataset manifest (columns face_id, part, row).
        faces: the faces manifest that the rows point into.
        image_size: side of the result in pixels.
        share: the middle part of each crop's side to take, as `check_crop` says it.

    Returns:
        uint8 [len(rows), image_size, image_size, 3], RGB, in the order of `rows`; backed by a temporary file
        when larger than `MEMORY_LIMIT_BYTES`.

    Raises:
        UsageError: the manifest is not the one that the dataset was collected from.
        FacenetError: one of its crops is damaged, or there is no room for the temporary file.
    """
    files = parts(faces, FACES)
    images = _allocate((len(rows), image_size, image_size, 3))
    part, row = rows["part"].to_numpy(), rows["row"].to_numpy()
    face_ids = rows["face_id"].to_pylist()

    def fill(target: int, face_id: str, image: bytes) -> None:
        if face_id != face_ids[target]:
            raise _wrong_faces(faces)
        images[target] = pixels(image, image_size, share)

    if len(rows) and not (0 <= part.min() <= part.max() < len(files) and row.min() >= 0):
        raise _wrong_faces(faces)
    with ThreadPoolExecutor() as pool, progress(len(rows), "decode faces") as bar, reading(faces):
        for number, file in enumerate(files):
            parquet = open_part(file)
            start = 0
            for group in range(parquet.num_row_groups):
                stop = start + parquet.metadata.row_group(group).num_rows
                targets = np.flatnonzero((part == number) & (row >= start) & (row < stop))
                if len(targets):
                    table = parquet.read_row_group(group, columns=["face_id", "image"])
                    table = table.take(row[targets] - start)
                    # list() waits, and brings an error of a thread here.
                    list(pool.map(fill, targets, table["face_id"].to_pylist(), table["image"].to_pylist()))
                    bar.update(len(targets))
                start = stop
            if np.any((part == number) & (row >= start)):
                raise _wrong_faces(faces)
    return images


def _wrong_faces(faces: Folders) -> UsageError:
    return UsageError(
        "This faces manifest is not the one that the dataset was collected from.",
        received=folder_names(faces),
        advice="Run `facenet collect` on it again, or give the right one with --faces.",
    )

"""The crops behind a dataset, decoded: a dataset points into its faces manifest and copies no image bytes."""

from __future__ import annotations

import os
import re
import tempfile
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.common.batches import AT_A_TIME, Images, ManyImages, slices
from components.common.cores import cores
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

# Crops that take more than this when decoded stay encoded, and are decoded whenever they are asked for.
DECODED_BYTES = 2**30


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
            advice="Make it anew, with `facenet extract` or `facenet import`.",
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
            advice=f"{needed.how_to_get}; or give the network's dataset.",
        )
    if said := needed.mixed_with(crop):
        print(f"{folder_names(faces)}: {said}")
    return share


class Crops:
    """The crops of some rows of a dataset, decoded on all cores whenever they are asked for.

    In memory are only their ids and places, some 64 bytes a row: a crop is stored as it is in its part of the faces
    manifest. A row group is read once, when one of its crops is first asked for, to find them there and to compare
    their ids. Where another program compressed them there is nothing to find: then they go to a temporary file.

    Args:
        rows: rows of a dataset manifest (columns face_id, part, row).
        faces: the faces manifest that the rows point into.
        image_size: side of the decoded crops in pixels.
        share: the middle part of each crop's side to take, as `check_crop` says it.

    Raises:
        UsageError: the rows point outside of the manifest.
    """

    def __init__(self, rows: pa.Table, faces: Folders, image_size: int, share: float = 1.0) -> None:
        self._faces, self._image_size, self._share = faces, image_size, share
        self._files = parts(faces, FACES)
        self._row_groups: list[tuple[int, int]] = []  # by number: which file, and which of its row groups
        sizes: list[int] = []
        for number, file in enumerate(self._files):
            with reading(file):
                metadata = pq.read_metadata(file)
            self._row_groups += [(number, group) for group in range(metadata.num_row_groups)]
            sizes += [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        of_file = np.searchsorted([number for number, _ in self._row_groups], np.arange(len(self._files) + 1))
        part, row = (rows[name].to_numpy().astype(np.int64) for name in ("part", "row"))
        if len(rows) and not (0 <= part.min() <= part.max() < len(self._files) and row.min() >= 0):
            raise _wrong_faces(faces)
        place = first[of_file][part] + row
        if np.any(place >= first[of_file][part + 1]):
            raise _wrong_faces(faces)
        self._ids = rows["face_id"].combine_chunks()
        self._group = (np.searchsorted(first, place, side="right") - 1).astype(np.int32)
        self._row = (place - first[self._group]).astype(np.int32)  # within the row group
        self._order = np.argsort(place, kind="stable")
        self._begins = np.searchsorted(self._group[self._order], np.arange(len(sizes) + 1))
        self._offset, self._length = np.empty(len(rows), np.int64), np.empty(len(rows), np.int32)
        self._found, self._copied = np.zeros((2, len(sizes)), bool)
        self._locating = Lock()
        self._opened = [os.open(file, os.O_RDONLY) for file in self._files]
        weakref.finalize(self, _close, self._opened)
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="crops")

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> Images:
        """Decodes some: uint8 [m, image_size, image_size, 3], RGB, in the order asked for.

        Raises:
            UsageError: the manifest is not the one that the dataset was collected from.
            FacenetError: a crop is damaged.
        """
        wanted = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        with self._locating:
            for group in np.unique(self._group[wanted]):
                if not self._found[group]:
                    self._find(group)
        images = np.empty((len(wanted), self._image_size, self._image_size, 3), np.uint8)

        def decode(some: npt.NDArray[np.integer]) -> None:
            for target in some:
                images[target] = self._decoded(wanted[target])

        # list() waits, and brings an error of a thread here.
        list(self._pool.map(decode, np.array_split(np.arange(len(wanted)), 4 * cores())))
        return images

    def _find(self, group: int) -> None:
        """Finds where the crops of a row group lie."""
        number, own = self._row_groups[group][0], self._order[self._begins[group] : self._begins[group + 1]]
        file, opened = self._files[number], self._opened[number]
        with reading(file):
            parquet = open_part(file)
            table = parquet.read_row_group(self._row_groups[group][1], ["face_id", "image"]).take(self._row[own])
            metadata = parquet.metadata.row_group(self._row_groups[group][1])
            (chunk,) = (
                column
                for column in map(metadata.column, range(metadata.num_columns))
                if column.path_in_schema == "image"
            )
            begin = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
            stored = os.pread(opened, chunk.total_compressed_size, begin)
        if not table["face_id"].combine_chunks().equals(self._ids.take(pa.array(own))):
            raise _wrong_faces(self._faces)
        images = table["image"].to_pylist()
        offsets = _places(images, stored)
        if offsets is None:
            offsets = self._copy(images)
            begin, self._copied[group] = 0, True
        self._offset[own], self._length[own] = np.array(offsets) + begin, list(map(len, images))
        self._found[group] = True

    def _copy(self, images: Sequence[bytes]) -> list[int]:
        """Appends encoded crops to the temporary file; where each begins in it."""
        if len(self._opened) == len(self._files):
            with tempfile.TemporaryFile() as file:
                self._opened.append(os.dup(file.fileno()))
        end = os.lseek(self._opened[-1], 0, os.SEEK_END)
        ends = end + np.cumsum(list(map(len, images)))
        with open(self._opened[-1], "wb", closefd=False) as copies:
            copies.writelines(images)
        return [end, *ends[:-1].tolist()]

    def _decoded(self, row: int) -> Images:
        group = self._group[row]
        number = self._row_groups[group][0]
        opened = self._opened[-1 if self._copied[group] else number]
        try:
            return pixels(os.pread(opened, self._length[row], self._offset[row]), self._image_size, self._share)
        except FacenetError as error:
            error.received = f"{self._files[number]}, face {self._ids[row]}: {error.received}"
            raise


def _places(images: Sequence[bytes], stored: bytes) -> list[int] | None:
    """Where each of some values begins in a column as it is stored; None where one is not there as it is."""
    places, end = [], 0
    for image in images:
        place = stored.find(image, end)
        if place < 0:  # one that was there before is stored once
            place = stored.find(image)
        if place < 0:
            return None
        places.append(place)
        end = max(end, place + len(image))
    return places


def _close(opened: Sequence[int]) -> None:
    for one in opened:
        os.close(one)


def open_crops(rows: pa.Table, faces: Folders, image_size: int, share: float = 1.0) -> ManyImages:
    """Some crops to be seen again and again: decoded at once if they take `DECODED_BYTES` at most, else `Crops`.

    See `decode_crops`.
    """
    if len(rows) * image_size**2 * 3 <= DECODED_BYTES:
        return decode_crops(rows, faces, image_size, share)
    return Crops(rows, faces, image_size, share)


def decode_crops(rows: pa.Table, faces: Folders, image_size: int, share: float = 1.0) -> Images:
    """Decodes the crops of some rows of a dataset, on all cores.

    Args:
        rows: see `Crops`, as the others and what is raised.
        faces: the faces manifest that the rows point into.
        image_size: side of the result in pixels.
        share: the middle part of each crop's side to take.

    Returns:
        uint8 [len(rows), image_size, image_size, 3], RGB, in the order of `rows`.
    """
    crops = Crops(rows, faces, image_size, share)
    images = np.empty((len(rows), image_size, image_size, 3), np.uint8)
    with progress(len(rows), "decode faces") as bar:
        for some in slices(len(rows), AT_A_TIME):
            images[some] = crops[some]
            bar.update(some.stop - some.start)
    return images


def _wrong_faces(faces: Folders) -> UsageError:
    return UsageError(
        "This faces manifest is not the one that the dataset was collected from.",
        received=folder_names(faces),
        advice="Run `facenet collect` on it again, or give the right one with --faces.",
    )

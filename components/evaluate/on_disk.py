"""Embeddings that are many: in a temporary file, of which rows are read when they are asked for."""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from mmap import ALLOCATIONGRANULARITY, MAP_PRIVATE, PROT_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.integer]

# Up to so many bytes of embeddings are in memory: 65,536 faces of 128 numbers.
MOST_IN_MEMORY = 1 << 25
# Of a file each thread maps so many bytes at a time: what is mapped counts as memory of the process.
_MOST_MAPPED = 1 << 23


class OnDisk:
    """float32 [n, size] in a file without a name, which is gone with the process, however that ends.

    Args:
        shape: n, size.
        file: holds the rows of an array, or is still to be filled.
        folder: of the file.
        rows: int64 [n], which of the file's rows these are; None for all, in their order.
    """

    def __init__(self, shape: tuple[int, int], file: BinaryIO, folder: Path, rows: Rows | None = None) -> None:
        self.shape, self.folder = shape, folder
        self._file, self._rows, self._row_bytes = file, rows, 4 * shape[1]
        # A window has to begin where a page does, and a row.
        step = ALLOCATIONGRANULARITY // gcd(ALLOCATIONGRANULARITY, self._row_bytes)
        self._window = max(1, _MOST_MAPPED // self._row_bytes // step) * step

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, rows: slice, vectors: Array) -> None:
        """Writes rows that follow each other."""
        self._file.seek(rows.start * self._row_bytes)
        self._file.write(np.ascontiguousarray(vectors).data)
        self._file.flush()

    def __getitem__(self, rows: slice | Rows) -> Array:
        """Reads rows, by a slice or by their numbers, int [...]: float32 [..., size]."""
        wanted = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        return self.take(wanted, np.empty((*wanted.shape, self.shape[1]), np.float32))

    def take(self, rows: Rows, out: Array) -> Array:
        """Reads rows, by their numbers, int [...], into an array without gaps, float32 [..., size]; returns that."""
        wanted = rows.ravel() if self._rows is None else self._rows[rows.ravel()]
        filled = out.reshape(-1, self.shape[1])
        order = np.argsort(wanted)
        if len(order) and wanted[order[0]] < 0:
            raise IndexError("rows are not counted from the end")
        window = wanted[order] // self._window
        begins = np.flatnonzero(np.diff(window, prepend=-1)).tolist()
        for begin, end in pairwise([*begins, len(order)]):
            some, first = order[begin:end], int(window[begin]) * self._window
            filled[some] = self._mapped(first, int(wanted[order[end - 1]]) + 1)[wanted[some] - first]
        return out

    def at(self, rows: Rows) -> OnDisk:
        """Some rows, int64 [m], without reading them."""
        chosen = rows if self._rows is None else self._rows[rows]
        return OnDisk((len(rows), self.shape[1]), self._file, self.folder, chosen)

    def _mapped(self, first: int, end: int) -> Array:
        """The file's rows from one, at which a window begins, up to another; unmapped when nobody has the array."""
        begin, length = first * self._row_bytes, (end - first) * self._row_bytes
        # Private, because some file systems map files in no other way.
        content = mmap(self._file.fileno(), length, flags=MAP_PRIVATE, prot=PROT_READ, offset=begin)
        return np.frombuffer(content, np.float32).reshape(-1, self.shape[1])


Vectors = Array | OnDisk


def empty(shape: tuple[int, int], folder: Path | None) -> Vectors:
    """Place for embeddings, to be written some after others.

    Args:
        shape: n, size.
        folder: where a result is to be, and until then a file for those that are more than `MOST_IN_MEMORY`; where it
            is not there yet, the next one above it. The system's folder for temporary files may itself be in memory.
            None where they are needed in memory.

    Raises:
        UsageError: that folder may not be written to.
    """
    if folder is None or 4 * shape[0] * shape[1] <= MOST_IN_MEMORY:
        return np.empty(shape, np.float32)
    folder = next(place for place in (folder, *folder.parents) if place.is_dir())
    try:
        return OnDisk(shape, cast(BinaryIO, TemporaryFile(dir=folder)), folder)
    except OSError as error:
        raise UsageError(
            "The embeddings are too many for memory, and the folder of the result cannot be written to.",
            received=f"{folder} ({error.strerror})",
            advice="Choose a place that you may write to.",
        ) from error


def empty_like(vectors: Vectors) -> Vectors:
    """Place for as many embeddings of the same size."""
    return empty((len(vectors), vectors.shape[1]), vectors.folder if isinstance(vectors, OnDisk) else None)


def at(vectors: Vectors, rows: Rows) -> Vectors:
    """Some rows, int64 [m]: of an array a copy, of a file no more than their numbers."""
    return vectors.at(rows) if isinstance(vectors, OnDisk) else vectors[rows]


def take(vectors: Vectors, rows: Rows, out: Array) -> Array:
    """Some rows, into memory that is there already."""
    if isinstance(vectors, OnDisk):
        return vectors.take(rows, out)
    # To check the numbers numpy would copy it all once more.
    return np.take(vectors, rows, axis=0, out=out, mode="clip")

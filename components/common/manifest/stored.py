"""Manifests of millions of rows: read some rows at a time, and never all of them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.batches import slices
from components.common.manifest.loading import Folders, open_part, parts, reading
from components.common.manifest.schemas import Manifest
from components.common.manifest.writing import ROWS_PER_GROUP

# Of all rows so many are read at a time: with embeddings of 128 numbers 4 MB, whose memory the next ones take again.
_AT_ONCE = 16 * ROWS_PER_GROUP


class Stored:
    """The rows of a manifest, read when they are asked for.

    Args:
        folders: the manifest, or the shards of one in their order.
        manifest: what it is to be.
        columns: which to read; all when None.

    Raises:
        UsageError: see `parts`; also where rows are asked for and the file that holds them is damaged.
    """

    def __init__(self, folders: Folders, manifest: Manifest, columns: list[str] | None = None) -> None:
        self._folders, self._columns = folders, columns or manifest.schema.names
        self._nothing = manifest.schema.empty_table()
        files = parts(folders, manifest)
        with reading(folders):
            self._parts = [open_part(file) for file in files]
        self._groups = [(part, number) for part in self._parts for number in range(part.num_row_groups)]
        sizes = [part.metadata.row_group(number).num_rows for part, number in self._groups]
        self._first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def select(self, columns: list[str]) -> Stored:
        """The same rows with these columns. What the files say of themselves, 20 MB for a million rows, is shared."""
        chosen = copy(self)
        chosen._columns = columns
        return chosen

    def __iter__(self) -> Iterator[pa.Table]:
        """All rows, `_AT_ONCE` at a time."""
        return (self[some] for some in slices(len(self), _AT_ONCE))

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> pa.Table:
        """Some rows, by a slice or by their numbers, int [m], in the order asked for; whole row groups are read."""
        wanted = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        group = np.searchsorted(self._first, wanted, side="right") - 1
        order = np.argsort(group, kind="stable")
        numbers, begins = np.unique(group[order], return_index=True)
        read = [self._nothing.select(self._columns)]
        with reading(self._folders):
            for number, of_group in zip(numbers, np.split(wanted[order], begins)[1:], strict=True):
                part, own = self._groups[number]
                there = part.read_row_group(own, self._columns)
                read.append(_taken(there, of_group - self._first[number]))
            table = pa.concat_tables(read)
            table.validate(full=True)  # Parquet keeps any bytes as text
        return _taken(table, np.argsort(order))


def _taken(table: pa.Table, rows: npt.NDArray[np.integer]) -> pa.Table:
    """Some rows; without a copy where one follows the other."""
    if len(rows) and (np.diff(rows) == 1).all():
        return table.slice(rows[0], len(rows))
    return table.take(rows)

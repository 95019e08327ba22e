"""Manifests, written part by part; a folder appears whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.atomic import new_directory
from components.common.manifest.schemas import METADATA_KEY, PARTS, Manifest
from components.common.shard import WHOLE, Shard

# Small row groups let a reader take a few crops without decoding a part of gigabytes.
ROWS_PER_GROUP = 512
ROWS_PER_PART = 64 * ROWS_PER_GROUP


def _metadata(manifest: Manifest, about: Mapping[str, Any], shard: Shard) -> dict[bytes, bytes]:
    record = {
        "manifest": manifest.name,
        "schema_version": manifest.version,
        "about": dict(about),
        "shard": [shard.number, shard.count],
    }
    return {METADATA_KEY: json.dumps(record, sort_keys=True, allow_nan=False).encode()}


class NothingToWriteError(Exception):
    """Raised in the block of `writer`: there is nothing that the manifest could hold."""


class Writer:
    """Adds rows to a manifest, part after part; holds at most a row group of them. Made by `writer`."""

    def __init__(self, folder: Path, manifest: Manifest, about: Mapping[str, Any], shard: Shard) -> None:
        self._folder = folder
        self._schema = manifest.schema.with_metadata(_metadata(manifest, about, shard))
        self._waiting: list[pa.Table] = []
        self._part: pq.ParquetWriter | None = None
        self._written = 0  # rows

    def add(self, rows: pa.Table | Iterable[Mapping[str, Any]]) -> None:
        """Adds rows: a table with the manifest's columns, or one mapping per row."""
        table = rows if isinstance(rows, pa.Table) else self._table(list(rows))
        self._waiting.append(table.select(self._schema.names).cast(self._schema))
        if sum(len(table) for table in self._waiting) >= self._next_group():
            waiting = pa.concat_tables(self._waiting)
            while len(waiting) >= (rows := self._next_group()):
                self._write(waiting.slice(0, rows))
                waiting = waiting.slice(rows)
            self._waiting = [waiting]

    def _table(self, rows: list[Mapping[str, Any]]) -> pa.Table:
        # Column by column: pyarrow's from_pylist takes thirty times as long.
        columns = {name: [row.get(name) for row in rows] for name in self._schema.names}
        return pa.Table.from_pydict(columns, schema=self._schema)

    def finish(self) -> None:
        """Writes what is left: at least one part, so that an empty manifest is a manifest too."""
        waiting = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        if len(waiting) or not self._written:
            self._write(waiting)
        self.close()

    def close(self) -> None:
        """Ends the part that is being written."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _next_group(self) -> int:
        """How many rows the next row group has, unless the manifest ends before."""
        return min(ROWS_PER_GROUP, ROWS_PER_PART - self._written % ROWS_PER_PART)

    def _write(self, group: pa.Table) -> None:
        if self._part is None:
            # Crops are JPEG already and embeddings are noise to a compressor: only the other columns gain.
            compression = {name: "none" if name in ("image", "embedding") else "zstd" for name in self._schema.names}
            place = self._folder / f"part-{self._written // ROWS_PER_PART:05d}.parquet"
            self._part = pq.ParquetWriter(place, self._schema, compression=compression)
        self._part.write_table(group.replace_schema_metadata(self._schema.metadata), ROWS_PER_GROUP)
        self._written += len(group)
        if self._written % ROWS_PER_PART == 0:
            self.close()


@contextmanager
def writer(
    path: Path, manifest: Manifest, about: Mapping[str, Any] | None = None, shard: Shard = WHOLE
) -> Iterator[Writer]:
    """Writes a manifest, or a shard of one, row by row; `path` appears whole at the end, and not after an error.

    A `NothingToWriteError` in the block leaves `path` as it was, and goes no further.
    """
    with suppress(NothingToWriteError), new_directory(path, [PARTS]) as folder:
        rows = Writer(folder, manifest, about or {}, shard)
        try:
            yield rows
            rows.finish()
        finally:
            rows.close()


def write(
    path: Path, manifest: Manifest, table: pa.Table, about: Mapping[str, Any] | None = None, shard: Shard = WHOLE
) -> None:
    """Writes a whole table as a manifest, or a shard of one, atomically."""
    with writer(path, manifest, about, shard) as rows:
        rows.add(table)

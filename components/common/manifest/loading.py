"""Manifests, read: every part is checked to be of the right kind, version and schema before its rows are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.columns import as_declared, differences
from components.common.errors import MALFORMED, UsageError
from components.common.manifest.schemas import MANIFESTS, METADATA_KEY, PARTS, Manifest
from components.common.records import read_json
from components.common.shard import Shard

# A manifest, or the shards of one in their order.
Folders = Path | Sequence[Path]


def parts(folders: Folders, manifest: Manifest) -> list[Path]:
    """The Parquet files of a manifest in order, each checked to be of this kind and version.

    Raises:
        UsageError: there is no such folder or no part in it, or a part is of another manifest, version or schema.
    """
    if not isinstance(folders, Path):
        return [file for folder in folders for file in parts(folder, manifest)]
    advice = f"`facenet {manifest.written_by}` writes the {manifest.name} manifest, as a folder."
    if not folders.is_dir():
        raise UsageError(f"There is no {manifest.name} manifest here.", received=folders, advice=advice)
    files = sorted(folders.glob(PARTS))
    if not files:
        raise UsageError(
            f"This folder holds no {manifest.name} manifest.",
            received=f"{folders}, without {PARTS}",
            advice=advice,
        )
    for file in files:
        if not file.is_file():  # a pipe would be waited for
            raise UsageError(f"A part of the {manifest.name} manifest is no file.", received=file, advice=advice)
        _check(file, manifest)
    return files


def read(folders: Folders, manifest: Manifest, columns: list[str] | None = None) -> pa.Table:
    """Reads a manifest, or some of its columns, after checking every part.

    Raises:
        UsageError: see `parts`.
    """
    files = parts(folders, manifest)
    with reading(folders):
        table = pa.concat_tables(open_part(file).read(columns) for file in files)
        table.validate(full=True)  # Parquet keeps any bytes as text
    return table


def about(folders: Folders, manifest: Manifest) -> dict[str, Any]:
    """What the stage that wrote a manifest says of all its rows; every shard says the same, see `order_shards`."""
    notes: dict[str, Any] = record_of(parts(folders, manifest)[0], manifest)["about"]
    return notes


def folder_names(folders: Folders) -> str:
    """The folders of a manifest, for a message."""
    return str(folders) if isinstance(folders, Path) else ", ".join(map(str, folders))


@contextmanager
def reading(place: Folders) -> Iterator[None]:
    """Turns what Parquet raises at damaged files, inside the block, into an error that says where they lie.

    Raises:
        UsageError: a file is damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "This Parquet file cannot be read.",
            received=f"{folder_names(place)} ({str(error).splitlines()[0]})",
            advice="Run the stage that wrote it again.",
        ) from error


def open_part(file: Path) -> pq.ParquetFile:
    """Opens a Parquet file; the columns of a manifest are read as they are declared, whichever program wrote them."""
    return _Part(file)


class _Part(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self, file: Path) -> None:
        super().__init__(file, pre_buffer=False)  # the default, reading ahead, hangs where no thread can be started
        self._place = file

    def read(self, columns: list[str] | None = None) -> pa.Table:
        return self._as_declared(super().read(columns), columns)

    def read_row_group(self, group: int, columns: list[str] | None = None) -> pa.Table:
        return self._as_declared(super().read_row_group(group, columns), columns)

    def _as_declared(self, table: pa.Table, columns: list[str] | None) -> pa.Table:
        try:
            declared = MANIFESTS[_stored_record(self.metadata)["manifest"]].schema
        except MALFORMED:  # of another table
            return table
        return as_declared(table, declared, columns or declared.names, self._place)


def kind_of(file: Path) -> Manifest:
    """The kind of manifest that a part says it belongs to.

    Raises:
        ValueError: it says nothing, or names a kind that this program does not know; in words for people.
    """
    try:
        name = _stored_record(pq.read_metadata(file))["manifest"]
    except (pa.ArrowException, OSError, *MALFORMED) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    if name not in MANIFESTS:
        raise ValueError(f"a {name} manifest, which this version of the program does not know")
    return MANIFESTS[name]


def record_of(file: Path, manifest: Manifest) -> dict[str, Any]:
    """What a part of a manifest says of itself: manifest, schema_version, about, and shard as a `Shard`.

    Raises:
        UsageError: the file cannot be read, or says nothing of the kind.
    """
    return _record(_read_metadata(file), file, manifest)


def _read_metadata(file: Path) -> pq.FileMetaData:
    with reading(file):
        return pq.read_metadata(file)


def _stored_record(metadata: pq.FileMetaData) -> Any:
    """The record as it is stored: an entry of the file, which pyarrow leaves out of the schema of polars' files."""
    return read_json((metadata.metadata or {})[METADATA_KEY])


def _record(metadata: pq.FileMetaData, file: Path, manifest: Manifest) -> dict[str, Any]:
    try:
        record: dict[str, Any] = _stored_record(metadata)
        number, count = record.get("shard", (1, 1))
        record["shard"] = Shard.read(f"{number}/{count}")
        understood = isinstance(record["about"], dict)
    except (*MALFORMED, UsageError):
        understood = False
    if not understood:
        raise UsageError(
            f"This Parquet file is not a {manifest.name} manifest.",
            received=f"{file}, without {METADATA_KEY.decode()!r} in its metadata, where a manifest says what it is",
            advice=f"Give a folder that `facenet {manifest.written_by}` wrote; other programs may drop what is there.",
        )
    return record


def _check(file: Path, manifest: Manifest) -> None:
    metadata = _read_metadata(file)
    record = _record(metadata, file, manifest)
    if record.get("manifest") != manifest.name:
        raise UsageError(
            f"The {manifest.name} manifest is needed here.",
            received=f"{file}, a {record.get('manifest')} manifest",
            advice=f"Give what `facenet {manifest.written_by}` wrote.",
        )
    version = record.get("schema_version")
    if type(version) is not int or not 1 <= version <= manifest.version:
        raise UsageError(
            f"This {manifest.name} manifest has a schema version that this program does not read.",
            received=f"{file}, version {version}; up to {manifest.version} is read",
            advice=f"Run `facenet {manifest.written_by}` again with this version of the program.",
        )
    with reading(file):
        # `metadata.schema` would keep both, for a million faces 150 MB, until Python searches for cycles.
        schema = pq.ParquetFile(file, metadata=metadata, pre_buffer=False).schema_arrow
        differing = differences(schema, manifest.columns_of(version))
    if differing:
        raise UsageError(
            f"The columns of this {manifest.name} manifest are not as declared.",
            received=f"{file}, {'; '.join(differing)}",
            advice=f"Run `facenet {manifest.written_by}` again.",
        )

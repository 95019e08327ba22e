"""The tables that stages hand each other: folders of `part-*.parquet` with a declared, versioned schema.

Column meanings stand here and nowhere else. A manifest also carries `about`: what the stage
that wrote it says of all its rows (the crop margin, the folder it read), as JSON in the Parquet metadata, and which
shard of how many it is. Several tasks may have written one manifest: `joined` puts their folders in order, every
function that reads takes one folder or all of them, and `gathered` puts the parts of all into one folder, which is
the whole manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.atomic import link_or_copy, new_directory
from components.common.columns import as_declared, differences
from components.common.errors import MALFORMED, UsageError
from components.common.names import one_form
from components.common.records import is_version, read_json
from components.common.shard import WHOLE, Shard

# Small row groups let a reader take a few crops without decoding a part of gigabytes.
ROWS_PER_GROUP = 512
ROWS_PER_PART = 64 * ROWS_PER_GROUP
_METADATA_KEY = b"facenet"
PARTS = "part-*.parquet"

# A manifest, or the shards of one in their order.
Folders = Path | Sequence[Path]


@dataclass(frozen=True)
class Manifest:
    """A kind of table.

    Args:
        name: its name.
        version: of its schema.
        schema: its columns.
        written_by: the stage that makes it of something else. One that comes after may hand on another of the kind.
        person: the columns that say whom a row is about: `identity`; `photo_path`, by its first folder; or face ids, of
            faces that other manifests know.
        texts: the columns with words for people, which may name somebody else than the row is about.
    """

    name: str
    version: int
    schema: pa.Schema
    written_by: str
    person: tuple[str, ...]
    texts: tuple[str, ...] = ()


def _columns(*columns: tuple[str, pa.DataType] | tuple[str, pa.DataType, str]) -> pa.Schema:
    """A schema whose columns are required unless marked "nullable"."""
    return pa.schema([pa.field(name, kind, nullable=bool(rest)) for name, kind, *rest in columns])


# x0, y0, x1, y1 in pixels of the upright photo (EXIF orientation applied), x1 and y1 exclusive.
BOX = pa.list_(pa.int32(), 4)


FACES = Manifest(
    "faces",
    1,
    _columns(
        ("face_id", pa.string()),  # first 32 hex digits of the SHA-256 of the crop's pixels: same pixels, same id
        ("photo_path", pa.string()),  # relative to the photo folder, with forward slashes
        ("photo_sha256", pa.string()),  # of the photo's bytes
        ("identity", pa.string()),  # the first folder level of photo_path, in Unicode's form NFC
        ("box", BOX),  # what the detector said; may leave the photo
        ("crop_box", BOX),  # what was cut out: square, inside the photo; of the aligned face: its bounds
        ("detector", pa.string()),  # name and version, as "dlib-hog 20.0.1"
        ("score", pa.float32()),  # the detector's confidence; larger is surer, no fixed range
        ("landmarks", pa.list_(pa.float32(), 10), "nullable"),  # x, y of five points in the photo, when aligned
        ("phash", pa.uint64()),  # perceptual hash of the whole photo: equal for resized or re-encoded copies
        ("image", pa.binary()),  # the crop, encoded as JPEG, square
        ("width", pa.int32()),  # of the encoded crop, in pixels
        ("height", pa.int32()),
    ),
    "extract",
    ("identity",),
)


REJECTS = Manifest(
    "rejects",
    1,
    _columns(
        ("photo_path", pa.string()),
        ("photo_sha256", pa.string(), "nullable"),  # null when the bytes could not be read
        ("reason", pa.string()),  # one of components.extract.reasons
        ("detail", pa.string()),  # for people: the library's own words, or numbers
    ),
    "extract",
    ("photo_path",),
    ("detail",),
)


DATASET = Manifest(
    "dataset",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),
        ("split", pa.string()),  # train, validation or test: a function of the identity's name alone
        ("phash", pa.uint64()),
        ("photo_path", pa.string()),
        ("part", pa.int32()),  # the crop lies in row `row` of the part-th file of the faces manifest
        ("row", pa.int32()),
    ),
    "collect",
    ("identity",),
)


DROPPED = Manifest(
    "dropped",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),
        ("photo_path", pa.string()),
        ("reason", pa.string()),  # one of components.collect.filters
        ("detail", pa.string()),
    ),
    "collect",
    ("identity",),
    ("detail",),
)


EMBEDDINGS = Manifest(
    "embeddings",
    1,
    _columns(
        ("face_id", pa.string()),
        ("identity", pa.string()),
        ("split", pa.string()),
        ("photo_path", pa.string()),
        (
            "embedding",
            pa.list_(pa.float32()),
        ),  # unit length; every row as long as the checkpoint's embedding size
        ("checkpoint_sha256", pa.string()),
    ),
    "embed",
    ("identity",),
)


PAIRS = Manifest(
    "pairs",
    1,
    _columns(
        ("face_id_a", pa.string()),
        ("face_id_b", pa.string()),
        ("same", pa.bool_()),
        ("fold", pa.int32()),  # 0 to folds - 1
        ("slice", pa.string(), "nullable"),  # a named part of the pairs, when the pairs file has them
        ("distance", pa.float32()),  # Euclidean, between unit-length embeddings: 0 to 2
    ),
    "evaluate",
    ("face_id_a", "face_id_b"),
    ("slice",),
)


# All there are, by name; those that know faces by their ids alone come last.
MANIFESTS = {one.name: one for one in (FACES, REJECTS, DATASET, DROPPED, EMBEDDINGS, PAIRS)}


def _metadata(manifest: Manifest, about: Mapping[str, Any], shard: Shard) -> dict[bytes, bytes]:
    record = {
        "manifest": manifest.name,
        "schema_version": manifest.version,
        "about": dict(about),
        "shard": [shard.number, shard.count],
    }
    return {_METADATA_KEY: json.dumps(record, sort_keys=True, allow_nan=False).encode()}


class Writer:
    """Adds rows to a manifest, part after part. Made by `writer`."""

    def __init__(self, folder: Path, manifest: Manifest, about: Mapping[str, Any], shard: Shard) -> None:
        self._folder = folder
        self._schema = manifest.schema.with_metadata(_metadata(manifest, about, shard))
        self._waiting: list[pa.Table] = []
        self._parts = 0

    def add(self, rows: pa.Table | Iterable[Mapping[str, Any]]) -> None:
        """Adds rows: a table with the manifest's columns, or one mapping per row."""
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema=self._schema)
        self._waiting.append(table.select(self._schema.names).cast(self._schema))
        while sum(len(table) for table in self._waiting) >= ROWS_PER_PART:
            waiting = pa.concat_tables(self._waiting)
            self._write(waiting.slice(0, ROWS_PER_PART))
            self._waiting = [waiting.slice(ROWS_PER_PART)]

    def finish(self) -> None:
        """Writes what is left: at least one part, so that an empty manifest is a manifest too."""
        waiting = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        if len(waiting) or not self._parts:
            self._write(waiting)

    def _write(self, table: pa.Table) -> None:
        # Crops are JPEG already and embeddings are noise to a compressor: only the other columns gain.
        compression = {name: "none" if name in ("image", "embedding") else "zstd" for name in self._schema.names}
        pq.write_table(
            table.replace_schema_metadata(self._schema.metadata),
            self._folder / f"part-{self._parts:05d}.parquet",
            row_group_size=ROWS_PER_GROUP,
            compression=compression,
        )
        self._parts += 1


@contextmanager
def writer(
    path: Path, manifest: Manifest, about: Mapping[str, Any] | None = None, shard: Shard = WHOLE
) -> Iterator[Writer]:
    """Writes a manifest, or a shard of one, row by row; `path` appears whole at the end, and not after an error."""
    with new_directory(path, [PARTS]) as folder:
        rows = Writer(folder, manifest, about or {}, shard)
        yield rows
        rows.finish()


def write(
    path: Path, manifest: Manifest, table: pa.Table, about: Mapping[str, Any] | None = None, shard: Shard = WHOLE
) -> None:
    """Writes a whole table as a manifest, or a shard of one, atomically."""
    with writer(path, manifest, about, shard) as rows:
        rows.add(table)


def joined(folders: Sequence[Path], manifest: Manifest) -> tuple[Path, ...]:
    """Puts the shards of a manifest in order, whatever the order they come in: a pipeline promises none.

    Args:
        folders: one whole manifest, or every shard of one.
        manifest: what it must be.

    Raises:
        UsageError: one is missing, is there twice, of another division or other settings; see `parts`.
    """
    found = sorted((shard_of(folder, manifest), folder) for folder in folders)
    if not found or [shard for shard, _ in found] != [Shard(number, len(found)) for number in range(1, len(found) + 1)]:
        raise UsageError(
            f"These are not all shards of one {manifest.name} manifest.",
            received=", ".join(f"{folder} ({shard})" for shard, folder in found),
            advice="Give the folder of every shard, each once.",
        )
    said = [about(folder, manifest) for _, folder in found]
    for (_, folder), other in zip(found, said, strict=True):
        if other != said[0]:
            raise UsageError(
                f"The shards of this {manifest.name} manifest were made with different settings.",
                received=f"{found[0][1]}: {said[0]}; {folder}: {other}",
                advice=f"Run `facenet {manifest.written_by}` again for all shards with the same settings.",
            )
    return tuple(folder for _, folder in found)


def gathered(folders: Folders, manifest: Manifest, path: Path) -> None:
    """Puts the parts of a manifest into one folder, in their order; they are linked where the file system can.

    Args:
        folders: the manifest, or its shards as `joined` puts them.
        manifest: what it is.
        path: where they go.
    """
    with new_directory(path, [PARTS]) as folder:
        for number, file in enumerate(parts(folders, manifest)):
            link_or_copy(file, folder / f"part-{number:05d}.parquet")


def parts(folders: Folders, manifest: Manifest) -> list[Path]:
    """The Parquet files of a manifest in order, each checked to be of this kind and version.

    Raises:
        UsageError: no such folder, no parts in it, another manifest, another version, or another schema.
    """
    if isinstance(folders, Path):
        return _parts_of(folders, manifest)
    return [file for folder in folders for file in _parts_of(folder, manifest)]


def _parts_of(path: Path, manifest: Manifest) -> list[Path]:
    advice = f"`facenet {manifest.written_by}` writes the {manifest.name} manifest, as a folder."
    if not path.is_dir():
        raise UsageError(f"There is no {manifest.name} manifest here.", received=path, advice=advice)
    files = sorted(path.glob(PARTS))
    if not files:
        raise UsageError(
            f"This folder holds no {manifest.name} manifest.",
            received=f"{path}, without {PARTS}",
            advice=advice,
        )
    for file in files:
        if not file.is_file():  # a pipe would be waited for
            raise UsageError(f"A part of the {manifest.name} manifest is no file.", received=file, advice=advice)
        _check(file, manifest)
    return files


@contextmanager
def reading(place: Folders) -> Iterator[None]:
    """Says of what Parquet raises inside the block, at damaged files, where they lie.

    Raises:
        UsageError: they are damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "This Parquet file cannot be read.",
            received=f"{named(place)} ({str(error).splitlines()[0]})",
            advice="Run the stage that wrote it again.",
        ) from error


def opened_part(file: Path) -> pq.ParquetFile:
    """A Parquet file to read from; the columns of a manifest come as they are declared, whoever wrote them."""
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
            declared = MANIFESTS[_said(self.metadata)["manifest"]].schema
        except MALFORMED:  # of another table
            return table
        return as_declared(table, declared, columns or declared.names, self._place)


def _open(file: Path) -> pq.FileMetaData:
    with reading(file):
        return pq.read_metadata(file)


def _said(found: pq.FileMetaData) -> Any:
    """What a part says of itself: an entry of the file, which pyarrow leaves out of the schema of polars' files."""
    return read_json((found.metadata or {})[_METADATA_KEY])


def _record(found: pq.FileMetaData, file: Path, manifest: Manifest) -> dict[str, Any]:
    try:
        record = _said(found)
        number, count = record.get("shard", (1, 1))
        record["shard"] = Shard.read(f"{number}/{count}")
        understood = isinstance(record["about"], dict)
    except (*MALFORMED, UsageError):
        understood = False
    if not understood:
        raise UsageError(
            f"This Parquet file is not a {manifest.name} manifest.",
            received=f"{file}, without {_METADATA_KEY.decode()!r} in its metadata, where a manifest says what it is",
            advice=f"Give a folder that `facenet {manifest.written_by}` wrote; other programs may drop what is there.",
        )
    return record


def _check(file: Path, manifest: Manifest) -> None:
    found = _open(file)
    record = _record(found, file, manifest)
    if record.get("manifest") != manifest.name:
        raise UsageError(
            f"The {manifest.name} manifest is needed here.",
            received=f"{file}, a {record.get('manifest')} manifest",
            advice=f"Give what `facenet {manifest.written_by}` wrote.",
        )
    if not is_version(record.get("schema_version"), manifest.version):
        raise UsageError(
            f"This {manifest.name} manifest has a schema version that this program does not read.",
            received=f"{file}, version {record.get('schema_version')}; version {manifest.version} is read",
            advice=f"Run `facenet {manifest.written_by}` again with this version of the program.",
        )
    with reading(file):
        differing = differences(found.schema.to_arrow_schema(), manifest.schema)
    if differing:
        raise UsageError(
            f"The columns of this {manifest.name} manifest are not as declared.",
            received=f"{file}, {'; '.join(differing)}",
            advice=f"Run `facenet {manifest.written_by}` again.",
        )


def read(folders: Folders, manifest: Manifest, columns: list[str] | None = None) -> pa.Table:
    """Reads a manifest, or some of its columns, after checking every part.

    Raises:
        UsageError: see `parts`.
    """
    files = parts(folders, manifest)
    with reading(folders):
        table = pa.concat_tables(opened_part(file).read(columns) for file in files)
        table.validate(full=True)  # Parquet keeps any bytes as text
    return table


def about(folders: Folders, manifest: Manifest) -> dict[str, Any]:
    """What the writing stage said of a manifest as a whole: the same of every shard, see `joined`."""
    file = parts(folders, manifest)[0]
    said: dict[str, Any] = _record(_open(file), file, manifest)["about"]
    return said


def shard_of(folder: Path, manifest: Manifest) -> Shard:
    """Which shard of a manifest lies in a folder; one that holds all of them holds the whole.

    Raises:
        UsageError: it holds some shards and not the others; see `parts`.
    """
    files = _parts_of(folder, manifest)
    found: list[Shard] = sorted({_record(_open(file), file, manifest)["shard"] for file in files})
    if len(found) == 1:
        return found[0]
    if found != [Shard(number, len(found)) for number in range(1, len(found) + 1)]:
        raise UsageError(
            f"This folder holds parts of several shards of a {manifest.name} manifest, and not of all.",
            received=f"{folder} ({', '.join(map(str, found))})",
            advice="Give the folder of every shard, each once.",
        )
    return WHOLE


def kind_of(file: Path) -> Manifest:
    """The kind of a manifest that a part is of, by what it says of itself.

    Raises:
        ValueError: it says nothing, or a kind that this program does not know; in words for people.
    """
    try:
        name = _said(pq.read_metadata(file))["manifest"]
    except (pa.ArrowException, OSError, *MALFORMED) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    if name not in MANIFESTS:
        raise ValueError(f"a {name} manifest, which this version of the program does not know")
    return MANIFESTS[name]


def about_person(table: pa.Table, manifest: Manifest, name: str, face_ids: set[str]) -> pa.Array:
    """Which rows of a manifest are about a person: bool [rows].

    Args:
        table: rows, with the columns that `manifest.person` names.
        manifest: what they are of.
        name: the person's, in either of Unicode's forms.
        face_ids: of their faces.
    """
    name, found = one_form(name), pa.scalar(False)
    for column in manifest.person:
        values = table[column]
        if column == "identity":
            theirs = pc.equal(pc.utf8_normalize(values, "NFC"), name)
        elif column == "photo_path":
            theirs = pc.starts_with(pc.utf8_normalize(values, "NFC"), f"{name}/")
        else:
            theirs = pc.is_in(values, pa.array(sorted(face_ids), pa.string()))
        found = pc.or_(found, theirs)
    return found


def named(folders: Folders) -> str:
    """The folders of a manifest, for a message."""
    return str(folders) if isinstance(folders, Path) else ", ".join(map(str, folders))

"""What an artifact holds, to be looked at: a page of a table, settings, a text, a list of files.

Only what is needed of a file is read, and nothing outside the runs folder, wherever links lead: a link of a cached task
leads to another run in the same folder, the photos of an import lie elsewhere and are named, not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.records import read_json
from pipelines.look.history import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50
_PARTS = "part-*.parquet"  # of a manifest: components.common.manifest, which loads pyarrow
_SETTINGS = "facenet.json"  # of a checkpoint: components.model.checkpoint
_MOST_BYTES = 2**20
_MOST_ENTRIES = 1000
_LONG_LIST = 10


@dataclass(frozen=True)
class Table:
    """A page of a Parquet table.

    Args:
        columns: the types by name; pictures are not among them.
        total: the rows of the table.
        matching: those that fit what was searched for.
        rows: those of the page: the row's number in the table, and its values in the order of the columns.
        searched: the column that is searched; None when the table has none to search.
        pictures: whether rows have one, which `picture` gives for a row's number and its `face_id`.
    """

    columns: dict[str, str]
    total: int
    matching: int
    rows: list[tuple[int, list[Any]]]
    searched: str | None
    pictures: bool


@dataclass(frozen=True)
class Entry:
    """A file or folder in a folder.

    Args:
        name: its name.
        size: in bytes; None of a folder, or of what lies outside the runs folder.
        folder: whether it is a folder.
    """

    name: str
    size: int | None
    folder: bool


@dataclass(frozen=True)
class Folder:
    """A folder: its entries, folders first, and of a checkpoint its settings."""

    entries: list[Entry]
    more: int = 0
    """Entries that are not listed."""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """What a JSON file holds, or what a task said of an artifact without a file."""

    value: Any


@dataclass(frozen=True)
class Text:
    """A text, or its beginning; `markdown` when it is that."""

    text: str
    cut: bool
    markdown: bool


@dataclass(frozen=True)
class Page:
    """A card: an HTML page that needs nothing else; untrusted, to be shown without rights."""

    file: Path
    size: int


@dataclass(frozen=True)
class Nothing:
    """Nothing can be shown, and why."""

    reason: str


Preview = Table | Folder | Values | Text | Page | Nothing


def inside(folder: Path, path: Path) -> Path | None:
    """Where a path leads when all links are followed; None when that is outside a folder, or is not there."""
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a loop of links, a NUL
        return None
    return found if found.is_relative_to(folder.resolve()) else None


def _absent(folder: Path, path: Path) -> str:
    with suppress(OSError, RuntimeError, ValueError):
        if not path.resolve().is_relative_to(folder.resolve()):
            return f"It lies outside the runs folder: {path}"
    return "It is not there, or no longer."


def preview(
    folder: Path, artifact: Artifact, file: str = "", *, search: str = "", offset: int = 0, limit: int = ROWS
) -> Preview:
    """What an artifact, or a file or folder in it, holds.

    Args:
        folder: the runs folder.
        artifact: see `history.find`.
        file: the path of what is asked for in the artifact's folder; "" for the artifact itself.
        search: of a table only the rows whose identity has this in it, whatever the case.
        offset: the first row of the page, among those that fit.
        limit: how many rows a page has.
    """
    if not artifact.on_disk:
        return Values(dict(artifact.metadata))
    path = artifact.path / file
    found = inside(folder, path)
    if found is None:
        return Nothing(_absent(folder, path))
    if found.is_dir():
        parts = _parts(folder, found)
        return _table(parts, search, offset, limit) if parts else _folder(folder, found)
    if not found.is_file():
        return Nothing("It is no file.")
    return _file(found, "" if file else artifact.kind, search, offset, limit)


def picture(folder: Path, artifact: Artifact, row: int, face_id: str, file: str = "") -> bytes | None:
    """The face in a row of a faces or dataset manifest, as JPEG; None when that face is not in that row, or no longer.

    Args:
        folder: the runs folder.
        artifact: see `history.find`.
        row: the row's number in the table, as `Table` says it. Others may move there: `facenet forget` takes rows out.
        face_id: of the face that was there.
        file: as for `preview`.
    """
    import pyarrow as pa

    from components.common.crops import faces_of
    from components.common.errors import UsageError

    found = inside(folder, artifact.path / file)
    if found is None or row < 0 or not (found.is_dir() or found.is_file()):
        return None
    try:
        parts = _parts(folder, found) if found.is_dir() else [found]
        pointer = _cell(parts, row, ("face_id", "part", "row"))
        if pointer is not None:
            files = [file for shard in faces_of(found, ()) for file in sorted(shard.glob(_PARTS))]
            file_of_face = inside(folder, files[pointer["part"]])
            parts, row = [file_of_face] if file_of_face else [], pointer["row"]
        face = _cell(parts, row, ("face_id", "image"))
    except (UsageError, pa.ArrowException, OSError, LookupError, UnicodeDecodeError):
        return None
    if face is None or any(one["face_id"] != face_id for one in (pointer or face, face)):
        return None
    image: bytes = face["image"]
    return image


def _parts(folder: Path, path: Path) -> list[Path]:
    """The files of a manifest in order, without those that are links out of the runs folder."""
    return [file for part in sorted(path.glob(_PARTS)) if (file := inside(folder, part)) and file.is_file()]


def _folder(folder: Path, path: Path) -> Folder:
    entries = []
    for entry in sorted(path.iterdir()):
        found = inside(folder, entry)
        size = found.stat().st_size if found and found.is_file() else None
        entries.append(Entry(entry.name, size, found is not None and found.is_dir()))
    entries.sort(key=lambda entry: not entry.folder)
    settings = inside(folder, path / _SETTINGS)
    value = _json(settings) if settings and settings.is_file() else None
    described = value.value if isinstance(value, Values) and isinstance(value.value, dict) else {}
    return Folder(entries[:_MOST_ENTRIES], max(0, len(entries) - _MOST_ENTRIES), described)


def _file(path: Path, kind: str, search: str, offset: int, limit: int) -> Preview:
    if kind == "system.HTML" or path.suffix == ".html":
        return Page(path, path.stat().st_size)
    if path.suffix == ".parquet":
        return _table([path], search, offset, limit)
    if path.suffix == ".json" and (value := _json(path)):
        return value
    with path.open("rb") as file:
        start = file.read(_MOST_BYTES)
    if b"\0" in start:
        return Nothing(f"It is no text: {path.stat().st_size:,} bytes.")
    cut = path.stat().st_size > len(start)
    return Text(start.decode(errors="replace"), cut, kind == "system.Markdown" or path.suffix == ".md")


def _json(path: Path) -> Values | None:
    if path.stat().st_size > _MOST_BYTES:
        return None
    try:
        return Values(read_json(path.read_bytes()))
    except (ValueError, RecursionError):
        return None


def _table(files: Sequence[Path], search: str, offset: int, limit: int) -> Table | Nothing:
    import pyarrow as pa

    try:
        return _page(files, search, max(0, offset), limit)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        return Nothing(f"It cannot be read: {str(error).partition(chr(10))[0]}")


def _page(files: Sequence[Path], search: str, offset: int, limit: int) -> Table:
    """Reads all columns but pictures of the row groups that the page is in, and of the others what is searched."""
    import pyarrow.parquet as pq

    from components.common.manifest import MANIFESTS, open_part

    schema = pq.read_schema(files[0])
    columns = {one.name: str(one.type) for one in schema if str(one.type) != "binary"}
    searched = next((name for one in MANIFESTS.values() for name in one.person if name in columns), None)
    total = matching = 0
    rows: list[tuple[int, list[Any]]] = []
    for file in files:
        with open_part(file) as parquet:
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                fitting = _fitting(parquet, group, searched, search) if search and searched else range(count)
                wanted = list(fitting[max(0, offset - matching) : max(0, offset + limit - matching)])
                if wanted:
                    table = parquet.read_row_group(group, columns=list(columns)).take(wanted)
                    values = [[_short(value) for value in column.to_pylist()] for column in table.itercolumns()]
                    rows += [(total + number, list(row)) for number, *row in zip(wanted, *values, strict=True)]
                total, matching = total + count, matching + len(fitting)
    pictures = "face_id" in columns and ("image" in schema.names or {"part", "row"} <= set(columns))
    return Table(columns, total, matching, rows, searched, pictures)


def _fitting(parquet: Any, group: int, column: str, search: str) -> Sequence[int]:
    """The numbers of the rows of a group that have a text in a column."""
    import pyarrow.compute as pc

    from components.common.names import one_form

    texts = pc.utf8_normalize(parquet.read_row_group(group, columns=[column])[column], "NFC")
    found: list[int] = pc.indices_nonzero(pc.match_substring(texts, one_form(search), ignore_case=True)).to_pylist()
    return found


def _short(value: Any) -> Any:
    """A value of a table; of a long list, as an embedding, its beginning in words."""
    if isinstance(value, list) and len(value) > _LONG_LIST:
        return f"{', '.join(f'{one:.3g}' for one in value[:4])}, ... ({len(value)} numbers)"
    return value


def _cell(files: Sequence[Path], row: int, columns: tuple[str, ...]) -> dict[str, Any] | None:
    """Some columns of a row; None when the table has no such columns or no such row."""
    from components.common.manifest import open_part

    for file in files:
        with open_part(file) as parquet:
            if not set(columns) <= set(parquet.schema_arrow.names):
                return None
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                if row < count:
                    written = file.stat().st_mtime_ns
                    return _group(file, written, group, columns).slice(row, 1).to_pylist()[0]
                row -= count
    return None


@lru_cache(maxsize=2)
def _group(file: Path, written: int, group: int, columns: tuple[str, ...]) -> pa.Table:
    """Some columns of a row group: a page of pictures asks for the same one again and again."""
    from components.common.manifest import open_part

    with open_part(file) as parquet:
        return parquet.read_row_group(group, columns=list(columns))

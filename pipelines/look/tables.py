"""Parquet tables of an artifact, a page at a time, and the pictures in their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.look.history import RecordedArtifact
from pipelines.look.inside import inside

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50
_PARTS = "part-*.parquet"  # of a manifest: components.common.manifest, which loads pyarrow
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


def picture(folder: Path, artifact: RecordedArtifact, row: int, face_id: str, file: str = "") -> bytes | None:
    """The face in a row of a faces or dataset manifest, as JPEG; None when that face is not in that row, or no longer.

    Args:
        folder: the runs folder.
        artifact: see `look.find`.
        row: the row's number in the table, as `Table` says it. Others may move there: `facenet forget` takes rows out.
        face_id: of the face that was there.
        file: as for `preview`.
    """
    import pyarrow as pa

    from components.common.crops import faces_of
    from components.common.errors import UsageError

    place = inside(folder, artifact.path / file)
    if place is None or row < 0 or not (place.is_dir() or place.is_file()):
        return None
    try:
        parts = parts_of(folder, place) if place.is_dir() else [place]
        pointer = _cell(parts, row, ("face_id", "part", "row"))
        if pointer is not None:
            files = [file for shard in faces_of(place, ()) for file in sorted(shard.glob(_PARTS))]
            file_of_face = inside(folder, files[pointer["part"]])
            parts, row = [file_of_face] if file_of_face else [], pointer["row"]
        face = _cell(parts, row, ("face_id", "image"))
    except (UsageError, pa.ArrowException, OSError, LookupError, UnicodeDecodeError):
        return None
    if face is None or any(one["face_id"] != face_id for one in (pointer or face, face)):
        return None
    image: bytes = face["image"]
    return image


def parts_of(folder: Path, path: Path) -> list[Path]:
    """The files of a manifest in order, without those that are links out of the runs folder."""
    return [file for part in sorted(path.glob(_PARTS)) if (file := inside(folder, part)) and file.is_file()]


def read_page(files: Sequence[Path], search: str, offset: int, limit: int) -> Table:
    """Reads a page of a table that lies in some files.

    All columns but pictures are read of the row groups that the page is in, and of the others what is searched.

    Args:
        files: the parts of the table, in order.
        search: only the rows that have this text in the searched column, whatever the case; "" for all.
        offset: the first row of the page, among those that fit.
        limit: how many rows a page has.

    Raises:
        pyarrow.ArrowException, OSError, UnicodeDecodeError: it cannot be read.
    """
    import pyarrow.parquet as pq

    from components.common.manifest import MANIFESTS, open_part

    offset = max(0, offset)
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
    rows: list[int] = pc.indices_nonzero(pc.match_substring(texts, one_form(search), ignore_case=True)).to_pylist()
    return rows


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

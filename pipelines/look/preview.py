"""What an artifact holds, to be looked at: a page of a table, settings, a text, a list of files.

Only what is needed of a file is read, and nothing outside the runs folder, wherever links lead: a link of a cached task
leads to another run in the same folder, the photos of an import lie elsewhere and are named, not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.records import read_json
from pipelines.look.history import RecordedArtifact
from pipelines.look.inside import inside
from pipelines.look.tables import ROWS, Table, parts_of, read_page

_SETTINGS = "facenet.json"  # of a checkpoint: components.model.checkpoint
_MOST_BYTES = 2**20
_MOST_ENTRIES = 1000


@dataclass(frozen=True)
class FolderEntry:
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

    entries: list[FolderEntry]
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


def _reason_for_absence(folder: Path, path: Path) -> str:
    with suppress(OSError, RuntimeError, ValueError):
        if not path.resolve().is_relative_to(folder.resolve()):
            return f"It lies outside the runs folder: {path}"
    return "It is not there, or no longer."


def preview(
    folder: Path, artifact: RecordedArtifact, file: str = "", *, search: str = "", offset: int = 0, limit: int = ROWS
) -> Preview:
    """What an artifact, or a file or folder in it, holds.

    Args:
        folder: the runs folder.
        artifact: see `look.find`.
        file: the path of what is asked for in the artifact's folder; "" for the artifact itself.
        search: of a table only the rows whose identity has this in it, whatever the case.
        offset: the first row of the page, among those that fit.
        limit: how many rows a page has.
    """
    if not artifact.on_disk:
        return Values(dict(artifact.metadata))
    path = artifact.path / file
    place = inside(folder, path)
    if place is None:
        return Nothing(_reason_for_absence(folder, path))
    if place.is_dir():
        parts = parts_of(folder, place)
        return _table(parts, search, offset, limit) if parts else _folder(folder, place)
    if not place.is_file():
        return Nothing("It is no file.")
    return _file(place, "" if file else artifact.kind, search, offset, limit)


def _folder(folder: Path, path: Path) -> Folder:
    entries = []
    for entry in sorted(path.iterdir()):
        place = inside(folder, entry)
        size = place.stat().st_size if place and place.is_file() else None
        entries.append(FolderEntry(entry.name, size, place is not None and place.is_dir()))
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
        return read_page(files, search, offset, limit)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        return Nothing(f"It cannot be read: {str(error).partition(chr(10))[0]}")

"""Whether anything of a person is left in a runs folder: every file is read."""

from __future__ import annotations

import hashlib
import os
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import UsageError
from components.common.manifest import Manifest, about_person, kind_of, open_part
from components.common.names import one_form
from pipelines.erase.mentions import mentions
from pipelines.records.files import TASK_FILE, read_task

# What these say of people are numbers. A name in them is a word, or a part of a path, that whoever ran this gave.
_GIVEN = {"run.json", "task.json", "search.json", "executor_output.json", "metrics.json", "facenet.json", "export.json"}
_GIVEN |= {"model-card.md", "forgotten.json"}
_PARQUET, _JPEG = b"PAR1", b"\xff\xd8"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf")
_CHUNK, _OVERLAP = 2**24, 2**12  # bytes; no name, however written, is longer than the overlap
_ID = 32
_HEX_DIGITS = bytes(byte in b"0123456789abcdef" for byte in range(256))
# Of a shorter name a binary file has the letters by chance. Most of the cache are paths, in which it has slashes too.
_LONG_ENOUGH, _PATHS = 6, "cache.sqlite"
# And in these slashes stand between the names of layers.
_NETWORKS = (".h5", ".tflite")


@dataclass
class Searched:
    """What a search of all files came to.

    Args:
        searched: how many files were read.
        left: those that name the person, or hold a picture of theirs.
        given: records with their name as a word, or in a path, that was given to a run; folders called after tasks.
        packed: archives, which nobody looked into.
        shared: others under whose names a picture of theirs is too.
    """

    searched: int = 0
    left: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)


class Search:
    """A search for a person.

    Args:
        name: theirs.
        face_ids: of their faces.
        crops: SHA-256 of the pictures of their faces as they were stored.
        others: names of others in which theirs stands.
    """

    def __init__(self, name: str, face_ids: set[str], crops: set[str], others: Iterable[str] = ()) -> None:
        self._name = one_form(name)
        self._face_ids = face_ids
        self._crops = crops
        self._mentioned = mentions(name, others)
        self._written = {unicodedata.normalize(form, name).encode() for form in ("NFC", "NFD")}
        self._shared = set[str]()

    def __call__(self, runs: Path, passed_over: set[Path]) -> Searched:
        """Reads every file of a runs folder but these; follows no links."""
        result = Searched(shared=self._shared)
        for folder, folders, files in os.walk(runs):
            if Path(folder) != runs:  # a run's own name is not whose it is
                for each in (Path(folder, each) for each in folders if one_form(each) == self._name):
                    (result.given if _of_a_task(each) else result.left).append(str(each))
            for file in (Path(folder, each) for each in sorted(files)):
                if file.is_file() and not file.is_symlink() and file not in passed_over:
                    result.searched += 1
                    try:
                        self._look_into(file, result)
                    except OSError:  # nobody knows what is in it
                        result.left.append(str(file))
        return result

    def _look_into(self, file: Path, result: Searched) -> None:
        with file.open("rb") as opened:
            start = opened.read(8)
        if start.startswith(_PACKED) or _is_packed_zip(file):
            result.packed.append(str(file))
        elif one_form(file.stem) == self._name or self._is_crop(file, start):
            result.left.append(str(file))
        elif start.startswith(_PARQUET):
            result.left += [str(file)] if self._in_parquet(file) else []
        else:
            for data in _chunks(file):
                if self._has_id(data):
                    result.left.append(str(file))
                elif self._has_name(data, file):
                    (result.given if file.name in _GIVEN else result.left).append(str(file))
                else:
                    continue
                break

    def _is_crop(self, file: Path, start: bytes) -> bool:
        return start.startswith(_JPEG) and hashlib.sha256(file.read_bytes()).hexdigest() in self._crops

    def _has_id(self, data: bytes) -> bool:
        digits = data.translate(_HEX_DIGITS)
        at = digits.find(b"\1" * _ID)
        while at >= 0:
            if data[at : at + _ID].decode() in self._face_ids:
                return True
            at = digits.find(b"\1" * _ID, at + 1)
        return False

    def _has_name(self, data: bytes, file: Path) -> bool:
        if b"\0" not in data:
            return self._mentioned(data.decode(errors="surrogateescape"))
        bare = {each for each in self._written if len(each) >= _LONG_ENOUGH and file.name != _PATHS}
        in_paths = {b"/%s/" % each for each in self._written if file.suffix not in _NETWORKS}
        return any(each in data for each in bare | in_paths)

    def _in_parquet(self, file: Path) -> bool:
        try:
            kind: Manifest | None = kind_of(file)
        except ValueError:  # another table, or no whole file
            kind = None
        try:
            parquet = open_part(file)
            for group in range(parquet.num_row_groups):
                if self._in_rows(parquet, group, kind):
                    return True
        except (pa.ArrowException, OSError, LookupError, UsageError):  # damaged, or not what it says that it is
            return True  # nobody knows
        return False

    def _in_rows(self, parquet: Any, group: int, kind: Manifest | None) -> bool:
        if kind is None:
            return self._in_value(parquet.read_row_group(group).to_pylist())
        names = {"face_id", *kind.person, *kind.texts} & {*kind.schema.names}
        rows = parquet.read_row_group(group, sorted(names))
        if "identity" in names:
            theirs = pc.is_in(rows["face_id"], pa.array(sorted(self._face_ids), pa.string()))
            self._shared.update(set(rows.filter(theirs)["identity"].to_pylist()) - {self._name})
        about = pc.any(about_person(rows, kind, self._name, self._face_ids)).as_py()
        return about or self._in_value(rows.select(kind.texts).to_pylist())

    def _in_value(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(self._in_value, value.values()))
        if isinstance(value, list | tuple):
            return any(map(self._in_value, value))
        if isinstance(value, bytes):
            return hashlib.sha256(value).hexdigest() in self._crops
        return isinstance(value, str) and (self._mentioned(value) or value in self._face_ids)


def _of_a_task(folder: Path) -> bool:
    """Whether a folder is called after a task, or after what a task makes."""
    task = folder.parent
    record = read_task(task.parent.parent, task.parent.name, task.name)
    return (folder / TASK_FILE).is_file() or (record is not None and folder.name in record.outputs)


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        former = b""
        while read := opened.read(_CHUNK):
            yield former + read
            former = read[-_OVERLAP:]


def _is_packed_zip(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist())
    except zipfile.BadZipFile:
        return False

"""LMDB, `data.mdb`, as programs that train on faces write it: `(image, label)` in msgpack, or images as PERSON/NAME.

The file is a tree of pages. It is read as data, because the library maps it into memory and follows whatever its pages
say: a damaged file ends the process. A value that is a pickle is not loaded.

Format: LMDB 0.9, mdb.c (MDB_meta, MDB_page, MDB_node), as 64-bit processors of little endian write it; msgpack's
spec.md.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from components.common.errors import UsageError
from components.common.formats import format_of
from components.extract.reasons import RejectedError
from components.import_faces.reasons import Reason
from components.import_faces.sample import Sample, checked_size, name_of_person

_PAGE = struct.Struct("<QHHHH")  # number, -, flags, end of the list of nodes, start of the nodes
_BRANCH, _LEAF = 0x01, 0x02
# Magic number, version, size; of the list of free pages the size of a page; of the table six numbers, entries, and the
# root; last page, transaction.
_META = struct.Struct("<II8xQI44xIHHQQQQQQQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_NODE = struct.Struct("<HHHH")  # low and high half of a size or page number, flags, length of the key
_ELSEWHERE = 0x01  # of a node: its value lies in pages of its own
_PAGE_SIZES = tuple(2**power for power in range(8, 17))
_OF_THE_SET = b"__"  # keys such as __len__ and __keys__

_LENGTHS = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_INTEGERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}


class _Meta(NamedTuple):
    """What a file says of itself: the size of its pages, and of its one table how many entries, and where it begins."""

    transaction: int
    page_size: int
    entries: int
    root: int
    pages: int


class Lmdb:
    """A file of LMDB; positions count entries, in the order of their keys.

    Raises:
        UsageError: it is none, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.left_out: Counter[str] = Counter()
        with path.open("rb") as file:
            self._meta = _read_meta(file, path)
        self.extent = self._meta.entries

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`."""
        with self._path.open("rb") as file:
            position = 0
            for leaf in self._leaves(file):
                for at in _nodes(leaf):
                    if position >= start and (sample := self._sample(file, leaf, at, position)) is not None:
                        yield position, sample
                    position += 1
        if position != self.extent:
            raise self._damaged(f"{self.extent:,} entries are stated, {position:,} are there")

    def _leaves(self, file: BinaryIO) -> Iterator[bytes]:
        """The pages that hold entries, in the order of their keys."""
        waiting = [self._meta.root] if self._meta.entries else []
        seen = set[int]()
        while waiting:
            number = waiting.pop()
            if number in seen or not 2 <= number <= self._meta.pages:
                raise self._damaged(f"a page is number {number:,}, of {self._meta.pages:,}, or is there twice")
            seen.add(number)
            page = self._read(file, number, self._meta.page_size)
            _, _, flags, lower, upper = _PAGE.unpack_from(page)
            if not _PAGE.size <= lower <= upper <= len(page) or lower % 2 or flags & 0xF not in (_BRANCH, _LEAF):
                raise self._damaged(f"page {number:,} is no page of a table")
            try:
                if flags & _LEAF:
                    yield page
                else:
                    children = [_NODE.unpack_from(page, at) for at in _nodes(page)]
                    waiting += [low | high << 16 | more << 32 for low, high, more, _ in reversed(children)]
            except struct.error as error:
                raise self._damaged(f"page {number:,} has a node that is not in it") from error

    def _read(self, file: BinaryIO, number: int, size: int) -> bytes:
        data = os.pread(file.fileno(), size, number * self._meta.page_size)
        if len(data) < size:
            raise self._damaged(f"the file ends before page {number:,} does")
        return data

    def _sample(self, file: BinaryIO, leaf: bytes, at: int, position: int) -> Sample | None:
        person, name = "", str(position)
        try:
            low, high, flags, key_size = _NODE.unpack_from(leaf, at)
            key, size = leaf[at + _NODE.size :][:key_size], low | high << 16
            if key.startswith(_OF_THE_SET):
                self.left_out["entries about the set"] += 1
                return None
            value = leaf[at + _NODE.size + key_size :][: 8 if flags & _ELSEWHERE else size]
            checked_size(size)
            if flags & _ELSEWHERE:
                (number,) = struct.unpack("<Q", value)
                value = b""
                if number <= self._meta.pages:
                    value = self._read(file, number, _PAGE.size + size)[_PAGE.size :]
            if len(value) < size or flags & ~_ELSEWHERE:
                raise RejectedError(Reason.DAMAGED, "an entry without its value, or of another kind")
            label, image = _divided(key, value)
            person = name_of_person(label)
            return Sample(person, name, image)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            return Sample(person, name, reject=RejectedError(Reason.DAMAGED, f"no image and label: {error}").reject)
        except RejectedError as error:
            return Sample(person, name, reject=error.reject)

    def _damaged(self, why: str) -> UsageError:
        return _not_lmdb(self._path, why)


def _not_lmdb(path: Path, why: str) -> UsageError:
    return UsageError(
        "This LMDB cannot be read.",
        received=f"{path} ({why})",
        advice="Take it again from where it was made, and give its folder or its data.mdb.",
    )


def _read_meta(file: BinaryIO, path: Path) -> _Meta:
    """The newer of the two pages in which a file says what it holds."""
    found = []
    length = file.seek(0, os.SEEK_END)
    for place in (0, *_PAGE_SIZES):
        data = os.pread(file.fileno(), _META.size, place + _PAGE.size)
        if len(data) == _META.size:
            magic, version, _, size, *_, entries, root, last, transaction = _META.unpack(data)
            if (magic, version) == (_MAGIC, _VERSION) and size in _PAGE_SIZES and place in (0, size):
                found.append(_Meta(transaction, size, entries, root, min(last, length // size)))
    if not found:
        raise _not_lmdb(path, "it does not begin as LMDB's files do")
    newest = max(found)
    if newest.entries > length:  # an entry takes more than a byte
        raise _not_lmdb(path, f"it states {newest.entries:,} entries")
    return newest


def _nodes(page: bytes) -> list[int]:
    """Where the nodes of a page begin, in the order of their keys."""
    _, _, _, lower, _ = _PAGE.unpack_from(page)
    return list(struct.unpack_from(f"<{(lower - _PAGE.size) // 2}H", page, _PAGE.size))


def _divided(key: bytes, value: bytes) -> tuple[str | int, bytes]:
    """Whose crop an entry is, and the crop.

    Raises:
        RejectedError: it is neither in msgpack nor an image.
        struct.error, UnicodeDecodeError, IndexError: what begins as msgpack ends too soon.
    """
    if format_of(value) is not None:
        person, slash, _ = key.decode().partition("/")
        return person if slash else f"/{person}", value
    if value[:1] == b"\x80" and value[1:2] <= b"\x05":
        raise RejectedError(Reason.DAMAGED, "a pickle, which is a program and is not loaded")
    if not 0x92 <= value[0] <= 0x9F:  # a list of two and more
        raise RejectedError(Reason.DAMAGED, f"no list in msgpack: {value[:8]!r}")
    image, at = _unpacked(value, 1)
    label, _ = _unpacked(value, at)
    if not isinstance(image, bytes):
        raise RejectedError(Reason.NO_IMAGE, "the first in the list is no image")
    return label.decode() if isinstance(label, bytes) else label, image


def _unpacked(value: bytes, at: int) -> tuple[bytes | int, int]:
    """Bytes, a text as bytes, or a whole number in msgpack, and where what follows begins."""
    kind = value[at]
    at += 1
    if kind <= 0x7F or kind >= 0xE0:
        return kind if kind <= 0x7F else kind - 0x100, at
    if kind in _INTEGERS:
        return struct.unpack_from(_INTEGERS[kind], value, at)[0], at + struct.calcsize(_INTEGERS[kind])
    if 0xA0 <= kind <= 0xBF:
        size = kind & 0x1F
    elif kind in _LENGTHS:
        (size,) = struct.unpack_from(_LENGTHS[kind], value, at)
        at += struct.calcsize(_LENGTHS[kind])
    else:
        raise RejectedError(Reason.DAMAGED, f"the kind {kind:#x} of msgpack where image or label should be")
    if at + size > len(value):
        raise RejectedError(Reason.DAMAGED, f"of {size:,} bytes the entry has {len(value) - at:,}")
    return value[at : at + size], at + size

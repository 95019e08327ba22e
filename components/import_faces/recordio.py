"""insightface's and MXNet's RecordIO, `train.rec`.

A record is a magic number, its length with a mark in the upper three bits, and its bytes, filled up to four. Where the
magic number is among these, aligned, the record is divided there and the number left out, so it stands at the begin of
records alone: a reader can begin anywhere, and needs no `train.idx`. A record of an image begins with a header: flag,
label, and two numbers of the image. With a flag, so many labels follow, of which the first says who it is. Records
with labels and no image are insightface's ranges of each identity's images: nothing here needs them.

Format: dmlc-core, include/dmlc/recordio.h; MXNet, src/io/image_recordio.h and python/mxnet/recordio.py; insightface,
recognition/arcface_mxnet/common/face2rec2.py.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from components.common.errors import UsageError
from components.extract.reasons import RejectedError
from components.import_faces.reasons import Reason
from components.import_faces.sample import Sample, checked_size, name_of_person

_MAGIC = struct.pack("<I", 0xCED7230A)
_FRAME = struct.Struct("<4sI")
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEADER = struct.Struct("<IfQQ")
_LABEL = struct.Struct("<f")
_BUFFER = 2**20
_BLOCK = 2**12  # read at once in search of a record


class RecordIO:
    """A file of records; positions are bytes.

    Raises:
        UsageError: it is no RecordIO.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.extent = path.stat().st_size
        self.left_out: Counter[str] = Counter()
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start != _MAGIC:
            raise UsageError(
                "This file is not RecordIO.",
                received=f"{path}, which begins with {start!r}",
                advice="Give the train.rec of a set, whole; train.idx and property are not needed.",
            )

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`. A damaged record is rejected, and what follows it is read."""
        with self._path.open("rb", buffering=_BUFFER) as file:
            position = _next_record(file, start)
            while position is not None and position < self.extent:
                try:
                    record = _read_record(file, self.extent)
                    if (sample := _sample(record, position)) is not None:
                        yield position, sample
                    else:
                        self.left_out["ranges of identities"] += 1
                    position = file.tell()
                except RejectedError as error:
                    yield position, Sample("", str(position), reject=error.reject)
                    position = _next_record(file, position + len(_MAGIC))


def _next_record(file: BinaryIO, start: int) -> int | None:
    """Where the first record at a position or after it begins, with the file there; None when there is none."""
    at = -(-start // 4) * 4
    file.seek(at)
    block = file.read(_BLOCK)
    while len(block) >= _FRAME.size:
        found = block.find(_MAGIC)
        while found >= 0 and found + _FRAME.size <= len(block):
            (_, length) = _FRAME.unpack_from(block, found)
            if found % 4 == 0 and length >> _LENGTH_BITS in (_WHOLE, _FIRST):
                file.seek(at + found)
                return at + found
            found = block.find(_MAGIC, found + 1)
        more = file.read(_BLOCK)
        at, block = at + len(block) - 4, block[-4:] + more if more else b""
    return None


def _read_record(file: BinaryIO, extent: int) -> bytes:
    """The bytes of the record that begins where the file stands, in a file of so many.

    Raises:
        RejectedError: there is none, or no end of it.
    """
    parts: list[bytes] = []
    while True:
        frame = file.read(_FRAME.size)
        if len(frame) < _FRAME.size:
            raise RejectedError(Reason.DAMAGED, "the file ends where a record should go on")
        magic, length = _FRAME.unpack(frame)
        mark, length = length >> _LENGTH_BITS, length & (1 << _LENGTH_BITS) - 1
        if magic != _MAGIC or mark not in ((_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)):
            raise RejectedError(Reason.DAMAGED, f"no record {'goes on' if parts else 'begins'} here")
        if length > (left := extent - file.tell()):
            raise RejectedError(Reason.DAMAGED, f"of {length:,} bytes the file has {left:,}")
        checked_size(length + sum(map(len, parts)), "the record")
        parts.append(file.read(-(-length // 4) * 4)[:length])
        if mark in (_WHOLE, _LAST):
            return _MAGIC.join(parts)


def _sample(record: bytes, position: int) -> Sample | None:
    """The crop in a record; None in one that holds a range of identities.

    Raises:
        RejectedError: there is no crop, or nobody knows whose.
    """
    if len(record) < _HEADER.size:
        raise RejectedError(Reason.DAMAGED, f"a record of {len(record)} bytes has no room for its header")
    labels, label, _, _ = _HEADER.unpack_from(record)
    start = _HEADER.size + labels * _LABEL.size
    if start > len(record):
        raise RejectedError(Reason.DAMAGED, f"a record of {len(record):,} bytes has no room for {labels:,} labels")
    if labels:
        if start == len(record):
            return None
        (label,) = _LABEL.unpack_from(record, _HEADER.size)
    if start == len(record):
        raise RejectedError(Reason.NO_IMAGE, "a record that ends after its header")
    if not label.is_integer():
        raise RejectedError(Reason.NO_IDENTITY, f"the label is {label:g}")
    return Sample(name_of_person(int(label)), str(position), record[start:])

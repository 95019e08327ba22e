"""A JSON record inside a LiteRT file: an entry of the model's metadata, which other programs ignore."""

from __future__ import annotations

from collections.abc import Iterator

from flatbuffers import encode, packer
from flatbuffers.table import Table

from components.common.preprocessing import LITERT_ENTRY

# Where fields of LiteRT's schema (`schema.fbs` there) stand in the flatbuffers of their tables: 4 for the first, 2 more
# for each next one, for good. The classes that ai_edge_litert has for them are 20,000 lines, a tenth of the start of
# `verify`; what those classes need themselves is enough here.
_MODEL_BUFFERS, _MODEL_METADATA = 12, 16
_METADATA_NAME, _METADATA_BUFFER = 4, 6
_BUFFER_DATA = 4


def read(content: bytes) -> bytes | None:
    """The JSON of a model's entry, None without one.

    Args:
        content: of a LiteRT file, verified, as an interpreter does when it opens one.
    """
    model = Table(content, encode.Get(packer.uoffset, content, 0))
    for entry in _tables(model, _MODEL_METADATA):
        name, buffer = entry.Offset(_METADATA_NAME), entry.Offset(_METADATA_BUFFER)
        if name and buffer and entry.String(entry.Pos + name) == LITERT_ENTRY.encode():
            number = encode.Get(packer.uint32, content, entry.Pos + buffer)
            buffers = list(_tables(model, _MODEL_BUFFERS))
            # That there is such a buffer nobody has verified.
            return _bytes(buffers[number], _BUFFER_DATA) if number < len(buffers) else None
    return None


def _tables(table: Table, field: int) -> Iterator[Table]:
    if place := table.Offset(field):
        first = table.Vector(place)
        for number in range(table.VectorLen(place)):
            yield Table(table.Bytes, table.Indirect(first + 4 * number))


def _bytes(table: Table, field: int) -> bytes:
    place = table.Offset(field)
    if not place:
        return b""
    first = table.Vector(place)
    return bytes(table.Bytes[first : first + table.VectorLen(place)])

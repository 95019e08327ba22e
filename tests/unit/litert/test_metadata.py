"""The record in a LiteRT file, against the classes that are generated from LiteRT's schema (ai-edge-litert 2.3.0)."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

from components.common.preprocessing import LITERT_ENTRY
from components.litert.metadata import read


def model(*entries: tuple[str, int], buffers: tuple[bytes | None, ...]) -> bytes:
    """A model of metadata alone: names with numbers of buffers, and these."""
    data = [None if each is None else np.frombuffer(each, np.uint8) for each in buffers]
    unpacked = schema.ModelT(
        version=3,
        buffers=[schema.BufferT(each) for each in data],
        metadata=[schema.MetadataT(name, buffer) for name, buffer in entries] or None,
    )
    return bytes(convert_object_to_bytearray(unpacked))


def by_generated_classes(content: bytes) -> bytes | None:
    unpacked = schema.ModelT.InitFromPackedBuf(content)
    numbers = {entry.name.decode(): entry.buffer for entry in unpacked.metadata or []}
    if LITERT_ENTRY not in numbers:
        return None
    data = unpacked.buffers[numbers[LITERT_ENTRY]].data
    return b"" if data is None else bytes(data)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], None),
        ([("min_runtime_version", 2)], None),
        ([(LITERT_ENTRY, 1)], b'{"format": 1}'),
        ([("min_runtime_version", 2), (LITERT_ENTRY, 1), ("more", 3)], b'{"format": 1}'),
        ([(LITERT_ENTRY, 3)], b""),
        ([(LITERT_ENTRY + "S", 2)], None),
    ],
)
def test_it_is_what_the_generated_classes_say(entries, expected):
    content = model(*entries, buffers=(None, b'{"format": 1}', b"1.5.0", None))
    assert read(content) == expected == by_generated_classes(content)


def test_an_entry_that_names_no_buffer_is_none():
    assert read(model((LITERT_ENTRY, 7), buffers=(None, b"{}"))) is None

"""A JSON record inside a LiteRT file: an entry of the model's metadata, which other programs ignore."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

NAME = "FACENET"


def read(content: bytes) -> bytes | None:
    """The JSON of a model's entry, None without one.

    Args:
        content: of a LiteRT file, verified, as an interpreter does when it opens one.
    """
    model = schema.Model.GetRootAs(content)
    entries = (model.Metadata(number) for number in range(model.MetadataLength()))
    buffers = [entry.Buffer() for entry in entries if entry.Name() == NAME.encode()]
    return bytes(model.Buffers(buffers[0]).DataAsNumpy()) if buffers else None


def add(model: bytes, record: dict[str, Any]) -> bytes:
    """A model without an entry, with it.

    Args:
        model: the content of a LiteRT file.
        record: plain values, without NaN.
    """
    # Slow to import, and only for writing.
    from ai_edge_litert.tools import flatbuffer_utils

    unpacked = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    text = json.dumps(record, allow_nan=False).encode()
    unpacked.buffers.append(schema.BufferT(data=np.frombuffer(text, np.uint8)))
    entry = schema.MetadataT(name=NAME, buffer=len(unpacked.buffers) - 1)
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(unpacked))

"""A JSON record inside a LiteRT file: an entry of the model's metadata, which other programs ignore."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from components.common.preprocessing import LITERT_ENTRY


def read(content: bytes) -> bytes | None:
    """The JSON of a model's entry, None without one.

    Args:
        content: of a LiteRT file, verified, as an interpreter does when it opens one.
    """
    model = schema.Model.GetRootAs(content)
    entries = (model.Metadata(number) for number in range(model.MetadataLength()))
    buffers = [entry.Buffer() for entry in entries if entry.Name() == LITERT_ENTRY.encode()]
    return bytes(model.Buffers(buffers[0]).DataAsNumpy()) if buffers else None

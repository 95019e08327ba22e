"""The columns of a table as they were declared, whoever wrote them: pandas, polars and DuckDB lay them out differently.

What they keep counts: texts may be large, views, or a dictionary's; lists of a declared length may not say so; columns
may be in another order, beside others, called nullable though no value lacks, or of no type where all do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import UsageError


def differences(found: pa.Schema, declared: pa.Schema) -> list[str]:
    """What keeps columns from being read as they are declared, in words; nothing when they can be."""
    types = {name: [field.type for field in found if field.name == name] for name in declared.names}
    return [
        f"{field.name}: {', '.join(map(str, types[field.name])) or 'not there'} instead of {field.type}"
        for field in declared
        if list(map(_kept, types[field.name])) not in ([_kept(field.type)], [pa.null()] if field.nullable else None)
    ]


def _kept(kind: pa.DataType) -> pa.DataType:
    """What a type keeps, however it is laid out."""
    if pa.types.is_dictionary(kind):
        return _kept(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if any(
        is_list(kind)
        for is_list in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    ):
        return pa.list_(_kept(kind.value_type))
    return kind


def as_declared(table: pa.Table, declared: pa.Schema, names: Sequence[str], file: Path) -> pa.Table:
    """Some columns of a file in this order, those that are declared as they are.

    Raises:
        UsageError: a value lacks that every row must have.
        pyarrow.ArrowException: a list is not as long as it is declared to be.
    """
    fields = [(declared if name in declared.names else table.schema).field(name) for name in names]
    columns = [_column(table[field.name], field, file) for field in fields]
    return pa.table(columns, pa.schema(fields))  # without what pandas noted in it, as which column is the index


def _column(values: pa.ChunkedArray, field: pa.Field, file: Path) -> pa.ChunkedArray:
    if values.null_count and not field.nullable:
        raise UsageError(
            "A column of a manifest lacks values that every row must have.",
            received=f"{file}, {field.name}: {values.null_count} of {len(values)} values are null",
            advice="Run the stage that wrote it again.",
        )
    if values.type == pa.null():
        return pa.chunked_array([pa.nulls(len(values), field.type)])
    values = values if values.type == field.type else values.cast(field.type)
    # A manifest from before there was one form may have a person in two.
    return pc.utf8_normalize(values, "NFC") if field.name == "identity" else values

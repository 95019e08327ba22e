"""The columns of a table, read as they are declared, whichever program wrote them.

pandas, polars and DuckDB lay columns out differently, and only the content counts: text may be large, a view, or a
dictionary; a list of fixed length may not state it; columns may come in another order or beside others; a column may be
nullable though no value is null, or have no type where all values are null.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import UsageError


def differences(schema: pa.Schema, declared: pa.Schema) -> list[str]:
    """The columns that cannot be read as they are declared, in words; empty when all can."""
    types = {name: [field.type for field in schema if field.name == name] for name in declared.names}
    return [
        f"{field.name}: {', '.join(map(str, types[field.name])) or 'not there'} instead of {field.type}"
        for field in declared
        if list(map(_content, types[field.name]))
        not in ([_content(field.type)], [pa.null()] if field.nullable else None)
    ]


def _content(kind: pa.DataType) -> pa.DataType:
    """The type of a type's content, however it is laid out."""
    if pa.types.is_dictionary(kind):
        return _content(kind.value_type)
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
        return pa.list_(_content(kind.value_type))
    return kind


def as_declared(table: pa.Table, declared: pa.Schema, names: Sequence[str], file: Path) -> pa.Table:
    """Takes columns of a table in this order; those that are declared are converted to their declared types.

    Args:
        table: of a file; a nullable column that it lacks is null.
        declared: the declared columns.
        names: the columns to take.
        file: the file, for messages.

    Raises:
        UsageError: a value is null that every row must have.
        pyarrow.ArrowException: a list has another length than is declared.
    """
    fields = [(declared if name in declared.names else table.schema).field(name) for name in names]
    there, lacking = set(table.column_names), pa.chunked_array([pa.nulls(len(table))])
    columns = [_column(table[field.name] if field.name in there else lacking, field, file) for field in fields]
    return pa.table(columns, pa.schema(fields))  # without what pandas stores in it, such as which column is the index


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
    # An old manifest may hold one person's name in both of Unicode's forms.
    return pc.utf8_normalize(values, "NFC") if field.name == "identity" else values

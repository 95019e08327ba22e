#!/usr/bin/env bash
# pyarrow 26.0.1: the footers of Parquet files, 32 of them, each with the statistics of 64 row groups of 14 columns.
# Expected: read_metadata(file).schema.to_arrow_schema() leaves nothing behind but the schema, as read_schema(file) does.
# Seen:     the metadata and its schema hold each other, so each footer stays in memory until Python searches for
#           cycles, which it does by the number of objects: these are two, however large the footer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import gc
import sys

import pyarrow as pa
import pyarrow.parquet as pq

file = f"{sys.argv[1]}/faces.parquet"
texts = [f"a text that is longer than most, of row {row:06}" for row in range(64)]
pq.write_table(pa.table({f"column {number}": texts for number in range(14)}), file, row_group_size=1)


def left(what: str, read) -> int:
    """How many footers are in memory after 32 files were looked at and nothing of them was kept."""
    gc.collect()
    for _ in range(32):
        read()
    found = sum(isinstance(one, pq.FileMetaData) for one in gc.get_objects())
    print(f"> {what}: {found} of 32 footers are in memory")
    return found


ways = {
    "read_metadata(file).schema.to_arrow_schema()": lambda: pq.read_metadata(file).schema.to_arrow_schema(),
    "read_schema(file)": lambda: pq.read_schema(file),
    "ParquetFile(file).schema_arrow": lambda: pq.ParquetFile(file).schema_arrow,
}
assert [left(what, read) for what, read in ways.items()] == [32, 0, 0]
gc.collect()
assert not any(isinstance(one, pq.FileMetaData) for one in gc.get_objects())
print("> as it was seen; none are left after gc.collect()")
PYTHON

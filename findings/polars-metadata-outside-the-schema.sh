#!/usr/bin/env bash
# polars 2.1.0, pyarrow 26.0.1: what a Parquet file says of itself, written by the one and read by the other.
# Expected: read_schema(file).metadata has it, as it has what pyarrow's own files say.
# Seen:     nothing there, although it is in the file: read_metadata(file).metadata has it.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

folder, said = sys.argv[1], {"kind": "faces"}
pl.DataFrame({"a": [1]}).write_parquet(f"{folder}/polars.parquet", metadata=said)
pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(said), f"{folder}/arrow.parquet")
found = {}
for writer in ("arrow", "polars"):
    file = f"{folder}/{writer}.parquet"
    of_schema, of_file = pq.read_schema(file).metadata or {}, pq.read_metadata(file).metadata or {}
    found[writer] = (b"kind" in of_schema, b"kind" in of_file)
    print(f"> written by {writer}: in the schema {found[writer][0]}, in the file {found[writer][1]}")
assert found == {"arrow": (True, True), "polars": (False, True)}, found
print("> as it was seen")
PYTHON

#!/usr/bin/env bash
# tensorflow 2.21.0 on Linux, Python's sqlite3: which SQLite a program has that imports both.
# Expected: the one that Python was built with, whatever else is imported.
# Seen:     TensorFlow's own, if it is imported before sqlite3: another version, with fewer modules. Full-text search (fts5)
#           and R-trees are "no such module" then, in a program in which they work when the two imports change places.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/which.py" <<'PYTHON'
import importlib
import sys

for name in sys.argv[1:]:
    importlib.import_module(name)
import sqlite3

database = sqlite3.connect(":memory:")
modules = {row[0] for row in database.execute("PRAGMA module_list")}
try:
    database.execute("CREATE VIRTUAL TABLE text USING fts5(words)")
    found = "has fts5"
except sqlite3.OperationalError as error:
    found = str(error)
print(f"SQLite {sqlite3.sqlite_version}, {len(modules)} modules, {found}")
PYTHON
run() { TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/which.py" "$@" 2>/dev/null; }
alone=$(run); first=$(run sqlite3 tensorflow); last=$(run tensorflow sqlite3)
echo "> without TensorFlow:      $alone"
echo "> sqlite3, then TensorFlow: $first"
echo "> TensorFlow, then sqlite3: $last"
[ "$alone" = "$first" ]
[ "$alone" != "$last" ]
[[ "$alone" == *"has fts5" && "$last" == *"no such module: fts5" ]]
echo "> as it was seen"

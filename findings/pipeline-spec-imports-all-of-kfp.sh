#!/usr/bin/env bash
# kfp-pipeline-spec 2.17.3, kfp 2.17.3: the protocol buffers of a compiled pipeline, without and with the SDK installed.
# Expected: importing kfp.pipeline_spec.pipeline_spec_pb2 costs the same either way: it is a package of its own.
# Seen:     it lies in the package `kfp`, so with the SDK installed it runs the SDK's own __init__ and imports all of it.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
count='
import sys
from kfp.pipeline_spec import pipeline_spec_pb2
assert pipeline_spec_pb2.PipelineSpec
print(sum(name.split(".")[0] == "kfp" for name in sys.modules))
'
for packages in "kfp-pipeline-spec==2.17.3" "kfp-pipeline-spec==2.17.3 kfp==2.17.3"; do
    rm -rf "$folder/venv"; python3 -m venv "$folder/venv"
    # shellcheck disable=SC2086
    "$folder/venv/bin/pip" install --quiet $packages
    modules=$("$folder/venv/bin/python" -W ignore -c "$count")
    echo "> $packages: $modules modules of kfp imported"
    if [ "$packages" = "kfp-pipeline-spec==2.17.3" ]; then [ "$modules" -le 5 ]; else [ "$modules" -ge 50 ]; fi
done
echo "> as it was seen"

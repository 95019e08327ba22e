#!/usr/bin/env bash
# kfp-pipeline-spec 2.17.3, kfp 2.17.3: the protocol buffers of a compiled pipeline, without and with the SDK installed.
# Expected: the package can be imported as it installs, and with the SDK beside it importing it costs the same.
# Seen:     by itself it lacks google.rpc (googleapis-common-protos), which it does not ask for; and it lies in the
#           package `kfp`, so with the SDK installed it runs the SDK's own __init__ and imports all of it.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
count='
import sys
try:
    from kfp.pipeline_spec import pipeline_spec_pb2
except ModuleNotFoundError as error:
    print(error.name)
else:
    print(sum(name.split(".")[0] == "kfp" for name in sys.modules))
'
seen() { # PACKAGE ...: the modules of kfp that are imported, or the one that is missing
    rm -rf "$folder/venv"; python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet "$@"
    "$folder/venv/bin/python" -W ignore -c "$count"
}
alone=$(seen kfp-pipeline-spec==2.17.3)
echo "> by itself: $alone is missing"
whole=$(seen kfp-pipeline-spec==2.17.3 googleapis-common-protos==1.72.0)
echo "> with googleapis-common-protos: $whole modules of kfp are imported"
beside=$(seen kfp-pipeline-spec==2.17.3 kfp==2.17.3)
echo "> with the SDK: $beside modules of kfp are imported"
[ "$alone" = google.rpc ] && [ "$whole" -le 5 ] && [ "$beside" -ge 50 ]
echo "> as it was seen"

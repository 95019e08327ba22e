#!/usr/bin/env bash
# model-signing 1.1.1 with sigstore 4.5.1: the package as pip installs it, then imported.
# Expected: `import model_signing` works.
# Seen:     it needs OpenSSL (pyOpenSSL), for signing with certificates, and nothing that is installed with it asks for
#           that. So whoever signs with a plain key cannot import it either; with pyOpenSSL beside it, it is imported.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check model-signing==1.1.1 sigstore==4.5.1
if said=$("$folder/venv/bin/python" -c "import model_signing" 2>&1); then
    echo "> it is imported: no longer as it was seen"
    exit 1
fi
echo "> alone: ${said##*$'\n'}"
[[ "$said" == *"No module named 'OpenSSL'"* ]]
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyopenssl==26.4.0
"$folder/venv/bin/python" -c "import model_signing.signing; print('> beside pyOpenSSL 26.4.0: imported')"
echo "> as it was seen"

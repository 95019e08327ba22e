#!/bin/sh
# sh venv.sh FOLDER [PYTHON]: sees to a virtual environment before anything is installed into it.
#
# One that is of PYTHON's version and finished, which FOLDER/.ready says, stays as it is; any other is made anew.
# Without PYTHON, a finished one of any version that pyproject.toml allows stays: there alone the versions are stated.
set -eu
folder=$1 python=${2:-}

version() {  # 3.11, of a Python; nothing where there is none
    "$1" --version 2>&1 | sed -n 's/^Python \([0-9]*\.[0-9]*\).*/\1/p'
}

minors=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' pyproject.toml)
least=${minors% *} most=$((${minors#* } - 1))
allowed="3.$least"
[ "$least" = "$most" ] || allowed="$allowed to 3.$most"

fits() {
    [ "${1%%.*}" = 3 ] && [ "${1#3.}" -ge "$least" ] && [ "${1#3.}" -le "$most" ]
}

there=$(version "$folder/bin/python")
if [ -z "$python" ]; then
    if [ -e "$folder/.ready" ] && fits "$there"; then exit 0; fi
    python=python3.$least
fi
found=$(version "$python")
if ! fits "$found"; then
    echo "Another Python is needed: $allowed." >&2
    echo "Received: $python, which ${found:+is Python }${found:-does not start}" >&2
    echo "Install one, and say how it is called: make setup PYTHON=python3.$most" >&2
    exit 2
fi
if [ -e "$folder" ]; then
    if [ "$there" != "$found" ]; then
        echo "$folder is of ${there:+Python }${there:-a Python that is gone}, not of $found: it is made anew."
    elif [ ! -e "$folder/.ready" ]; then
        echo "$folder was left unfinished: it is made anew."
    else
        exit 0
    fi
fi
"$python" -m venv --clear "$folder"

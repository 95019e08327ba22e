#!/bin/sh
# sh venv.sh FOLDER [PYTHON]: sees to a virtual environment before anything is installed into it.
#
# One that is of PYTHON's version and finished, which FOLDER/.ready says, stays as it is; any other is made anew.
# Without PYTHON, a finished one of any version that pyproject.toml allows stays: there alone the versions are stated.
# Where there is none, the newest that can makes it: of pyenv's those that are not chosen do not start, and Debian's have
# no ensurepip without the package python3-venv.
set -eu
folder=$1 python=${2:-}

version() {  # 3.11, of a Python; nothing where there is none
    "$1" --version 2>&1 | sed -n 's/^Python \([0-9]*\.[0-9]*\).*/\1/p'
}

minors=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"$/\1 \2/p' pyproject.toml)
least=${minors% *} most=$((${minors#* } - 1))

fits() {
    [ "${1%%.*}" = 3 ] && [ "${1#3.}" -ge "$least" ] && [ "${1#3.}" -le "$most" ]
}

refuse() {  # what is here instead
    echo "Another Python is needed: 3.$least to 3.$most." >&2
    echo "Received: $1" >&2
    echo "Install one (Debian 13 and Ubuntu 24.04: apt install python3-venv), or say how yours is called:" \
        "make setup PYTHON=python3.$most" >&2
    exit 2
}

there=$(version "$folder/bin/python")
if [ -z "$python" ]; then
    if [ -e "$folder/.ready" ] && fits "$there"; then exit 0; fi
    for minor in $(seq "$most" -1 "$least"); do
        if "python3.$minor" -c "import ensurepip" 2>/dev/null; then python=python3.$minor; break; fi
    done
    [ "$python" ] || refuse "no python3.$least to python3.$most that starts and has the module ensurepip"
fi
found=$(version "$python")
fits "$found" || refuse "$python, which ${found:+is Python }${found:-does not start}"
if [ -e "$folder" ]; then
    if [ "$there" != "$found" ]; then
        echo "$folder is of ${there:+Python }${there:-a Python that is gone}, not of $found: it is made anew."
    elif [ ! -e "$folder/.ready" ]; then
        echo "$folder was left unfinished: it is made anew."
    else
        exit 0
    fi
fi
echo "$folder is made with $(command -v "$python"), Python $found."
"$python" -m venv --clear "$folder"

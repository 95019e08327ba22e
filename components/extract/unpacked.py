"""dlib's face detector, which dlib holds packed: unpacked once, into the user's folder for caches."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import dlib

# Of what dlib unpacks, as it saves it.
SHA256 = "f3f7aa833fb4a14a46fc48689f45b98d85ef72d6dfaf8bdc012b7d3c522a5426"


def frontal_face_detector() -> Any:
    """The frontal face detector of dlib.

    dlib takes 0.15 s to unpack it, and a millisecond to read it unpacked. So it is kept as
    `$XDG_CACHE_HOME/facenet/dlib-detector.svm` (`~/.cache/facenet`), and what lies there is taken only when it is what
    dlib unpacks, byte for byte. Where nothing can be written, or with a dlib that has another detector, each process
    unpacks it.
    """
    with suppress(OSError, RuntimeError):  # dlib raises RuntimeError, also where Path finds no home
        file = _file()
        if _is_whole(file):
            return dlib.fhog_object_detector(str(file))
    detector = dlib.get_frontal_face_detector()
    with suppress(OSError, RuntimeError):
        _keep(detector, _file())
    return detector


def _file() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "facenet", "dlib-detector.svm")


def _is_whole(file: Path) -> bool:
    return hashlib.sha256(file.read_bytes()).hexdigest() == SHA256


def _keep(detector: Any, file: Path) -> None:
    import tempfile  # is not needed, and so not imported, from the second time on

    file.parent.mkdir(parents=True, exist_ok=True)
    # dlib writes it by a path, and another process may read what is there.
    with tempfile.TemporaryDirectory(prefix=".unpacked.", dir=file.parent) as folder:
        aside = Path(folder, file.name)
        detector.save(str(aside))
        if _is_whole(aside):
            aside.replace(file)

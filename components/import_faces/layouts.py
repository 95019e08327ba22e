"""Which kind of source lies at a path; looks at names only, and imports nothing slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.common.alignment import ARCFACE
from components.common.errors import UsageError

RECORDIO, BIN, PARQUET, TARS, LMDB, FOLDER = "RecordIO", ".bin set", "Parquet", "WebDataset", "LMDB", "folder"
# insightface aligns what it publishes in these by ArcFace's template, in 112 pixels.
KNOWN_ALIGNMENTS = {RECORDIO: ARCFACE, BIN: ARCFACE}
_ENDINGS = {".rec": RECORDIO, ".bin": BIN, ".parquet": PARQUET, ".tar": TARS, ".mdb": LMDB}
# Of what a folder holds; not .bin sets, which lie beside a train.rec and are for evaluation.
_IN_FOLDERS = (RECORDIO, PARQUET, TARS, LMDB)


class Found(NamedTuple):
    """What lies at a path: its kind, and its files in the order of their names; of `FOLDER` the folder itself."""

    kind: str
    files: Sequence[Path]


def find(path: Path) -> Found:
    """Says what lies at a path.

    Raises:
        UsageError: nothing does, or nothing that is known, or several kinds do.
    """
    if not path.exists():
        raise UsageError(
            "There is no such source.", received=path, advice="Give a file, or a folder, of crops that others made."
        )
    if not path.is_dir():
        kind = _ENDINGS.get(path.suffix.lower())
        if kind is None or not path.is_file():
            raise UsageError(
                "This is no source of crops that is known here.",
                received=path,
                advice=f"Give a file that ends in {', '.join(_ENDINGS)}, or a folder with a folder for each person.",
            )
        return Found(kind, [path])
    inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith(".") and entry.is_file())
    files = {kind: [file for file in inside if _ENDINGS.get(file.suffix.lower()) == kind] for kind in _IN_FOLDERS}
    files[LMDB] = [file for file in files[LMDB] if file.name != "lock.mdb"]
    there = [kind for kind in _IN_FOLDERS if files[kind]]
    if len(there) > 1 or len(files[RECORDIO]) > 1 or len(files[LMDB]) > 1:
        listed = [file.name for kind in there for file in files[kind]]
        raise UsageError(
            "This folder holds several sources of crops.",
            received=f"{path}, with {', '.join(listed[:5])}{' ...' if len(listed) > 5 else ''}",
            advice="Give the file that is meant; Parquet files and tars of one set may lie in a folder of their own.",
        )
    return Found(there[0], files[there[0]]) if there else Found(FOLDER, [path])

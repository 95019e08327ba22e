"""Opens a source of any kind."""

from __future__ import annotations

from components.common.errors import UsageError
from components.import_faces.bin_set import BinSet
from components.import_faces.folder import Folder
from components.import_faces.layouts import BIN, LMDB, PARQUET, RECORDIO, TARS, Found
from components.import_faces.lmdb_file import Lmdb
from components.import_faces.parquet import Parquet
from components.import_faces.recordio import RecordIO
from components.import_faces.sample import Source
from components.import_faces.webdataset import WebDataset


def open_source(found: Found, label: str) -> Source:
    """Opens what `layouts.find` found.

    Args:
        found: the kind, and the files.
        label: the column or the field that says whose face it is; "" for the usual ones.

    Raises:
        UsageError: a file cannot be read, is damaged, or is of another kind than its name says.
    """
    (first, *_) = found.files
    try:
        match found.kind:
            case kind if kind == RECORDIO:
                return RecordIO(first)
            case kind if kind == BIN:
                return BinSet(first)
            case kind if kind == PARQUET:
                return Parquet(found.files, label)
            case kind if kind == TARS:
                return WebDataset(found.files, label)
            case kind if kind == LMDB:
                return Lmdb(first)
            case _:
                return Folder(first)
    except OSError as error:
        raise UsageError(
            "The source cannot be read.",
            received=f"{first} ({error.strerror})",
            advice="Give a source that you may read.",
        ) from error

"""A hash of a folder of photos, which tells them from any others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.common.errors import FacenetError, UsageError, reason_of
from components.extract.scan import scan


def sha256_of(photos: Path) -> str:
    """A hash of every photo's path and of what lies there, in hexadecimal digits; nothing else in the folder counts.

    Raises:
        UsageError: no photos in the folder.
        FacenetError: one cannot be read.
    """
    whole = hashlib.sha256()
    for path in scan(photos).photos:
        try:
            with (photos / path).open("rb") as file:
                of_one = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise FacenetError(
                "A photo cannot be read, so nothing tells these photos from others.",
                received=f"{photos / path} ({reason_of(error)})",
                advice="Remove it, or make it readable.",
            ) from error
        whole.update(f"{of_one} {path}\0".encode())
    return whole.hexdigest()


def check_contents(photos: Path, wanted: str) -> None:
    """Refuses photos that have another hash.

    Raises:
        UsageError: they have.
        FacenetError: one cannot be read.
    """
    found = sha256_of(photos)
    if found != wanted:
        raise UsageError(
            "These are not the photos that were meant.",
            received=f"{photos}: {found}; --contents {wanted}",
            advice="Upload the folder again without other files, or submit without --copy.",
        )

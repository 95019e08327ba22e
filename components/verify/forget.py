"""`facenet forget`: removes a person from a gallery."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from components.common.command import run
from components.common.flags import Flag
from components.common.names import one_form, plain
from components.common.quantity import quantity
from components.verify.gallery import open_gallery
from components.verify.settings import CORRECTIONS, GALLERY, GalleryFile
from components.verify.unsay import on_photos, unsay


@dataclass(frozen=True)
class Settings:
    """Remove a person from a gallery, and from what was said of their photos to `facenet cluster`.

    What was stored of them is overwritten in the gallery's file.
    """

    name: Annotated[str, Flag(positional=True)]
    """The name they were enrolled under."""
    gallery: GalleryFile = GALLERY
    """The gallery's file."""
    corrections: Annotated[Path, Flag("FILE")] = CORRECTIONS
    """What was said with --same and --different; their faces are removed from it whenever it is there."""
    json: bool = False
    """Print JSON, for programs."""


def forget(file: Path, name: str, corrections: Path) -> dict[str, Any]:
    """Removes a person from a gallery, and their faces from what was said to `cluster`.

    Args:
        file: the gallery.
        name: the person.
        corrections: the file of what was said, if it is there.

    Returns:
        What was removed; `answers.schema.json` says what is in it.

    Raises:
        UsageError: there is no such gallery, or nobody of that name in it.
    """
    with open_gallery(file) as gallery:
        theirs, folder = on_photos(gallery.photos_of(name)), one_form(name)
        said = unsay(corrections, lambda photo: folder in PurePosixPath(one_form(photo)).parts, theirs)
        faces = gallery.forget(name)
    unsaid = {"file": str(corrections), "faces": len(said)}
    return {"gallery": str(file), "name": name, "faces": faces, "corrections": unsaid}


def _forget(settings: Settings) -> None:
    record = forget(settings.gallery, settings.name, settings.corrections)
    if settings.json:
        print(json.dumps(record))
        return
    print(f"{plain(settings.name)} and {quantity(record['faces'], 'face')} removed from {plain(settings.gallery)}")
    if said := record["corrections"]["faces"]:
        print(f"{quantity(said, 'face')} of theirs removed from {plain(settings.corrections)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _forget, argv, prog="facenet forget")


if __name__ == "__main__":
    sys.exit(main())

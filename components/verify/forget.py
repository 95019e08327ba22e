"""`facenet forget`: removes a person from a gallery."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

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


def _forget(settings: Settings) -> None:
    with open_gallery(settings.gallery) as gallery:
        theirs, name = on_photos(gallery.photos_of(settings.name)), one_form(settings.name)
        said = unsay(settings.corrections, lambda photo: name in PurePosixPath(one_form(photo)).parts, theirs)
        faces = gallery.forget(settings.name)
    if settings.json:
        about = {"gallery": str(settings.gallery), "name": settings.name, "faces": faces}
        print(json.dumps({**about, "corrections": {"file": str(settings.corrections), "faces": len(said)}}))
    else:
        print(f"{plain(settings.name)} and {quantity(faces, 'face')} removed from {plain(settings.gallery)}")
        if said:
            print(f"{quantity(len(said), 'face')} of theirs removed from {plain(settings.corrections)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _forget, argv, prog="facenet forget")


if __name__ == "__main__":
    sys.exit(main())

"""`facenet forget`: removes a person from a gallery."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from components.common.command import run
from components.common.flags import Flag
from components.common.names import plain
from components.common.quantity import quantity
from components.verify.gallery import open_gallery
from components.verify.settings import GALLERY, GalleryFile


@dataclass(frozen=True)
class Settings:
    """Remove a person from a gallery; what was stored of them is overwritten in the file."""

    name: Annotated[str, Flag(positional=True)]
    """The name they were enrolled under."""
    gallery: GalleryFile = GALLERY
    """The gallery's file."""
    json: bool = False
    """Print JSON, for programs."""


def _forget(settings: Settings) -> None:
    with open_gallery(settings.gallery) as gallery:
        faces = gallery.forget(settings.name)
    if settings.json:
        print(json.dumps({"gallery": str(settings.gallery), "name": settings.name, "faces": faces}))
    else:
        print(f"{plain(settings.name)} and {quantity(faces, 'face')} removed from {plain(settings.gallery)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _forget, argv, prog="facenet forget")


if __name__ == "__main__":
    sys.exit(main())

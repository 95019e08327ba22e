"""`facenet index`: an index beside a gallery of many people, for `identify --approximate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.command import run
from components.common.names import plain
from components.common.quantity import quantity
from components.verify.approximate import SEARCHED, build
from components.verify.gallery import open_gallery
from components.verify.lists import place
from components.verify.settings import GALLERY, GalleryFile


@dataclass(frozen=True)
class Settings:
    """Make an index of a gallery of many people, by which identify and watch search with --approximate.

    It lies beside the gallery and holds until somebody is enrolled; whoever is forgotten leaves it too.
    """

    gallery: GalleryFile = GALLERY
    """The gallery's file."""


def _index(settings: Settings) -> None:
    with open_gallery(settings.gallery) as gallery, gallery.indexing() as stamp:
        lists = build(gallery, place(settings.gallery), stamp)
    print(
        f"{plain(place(settings.gallery))}: {quantity(int(lists.sizes.sum()), 'person', 'people')} in "
        f"{len(lists.sizes):,} lists, of which a search reads {lists.probed:,}. These had the nearest for each of "
        f"{SEARCHED:,} faces searched for among all others, so that with 95 % confidence at least 99.9 % of searches "
        "find it."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _index, argv, prog="facenet index")


if __name__ == "__main__":
    sys.exit(main())

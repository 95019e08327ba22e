"""`facenet sample`: draws photos of people who do not exist."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.command import run
from components.common.flags import Output
from components.common.quantity import quantity
from components.sample.folder import draw


@dataclass(frozen=True)
class Settings:
    """Draw photos of people who do not exist, a folder of photos for each person, for trying everything out."""

    output: Output
    """Folder for the photos, which are called person-00000/00.jpg and so on."""
    identities: int = 24
    """Number of people."""
    photos: int = 8
    """Number of photos of each person."""
    seed: int = 0
    """Seed of every random choice: the same seed draws the same photos, and another seed draws other people."""


def _draw(settings: Settings) -> None:
    people = quantity(settings.identities, "person", "people")
    sample = f"{people}, {quantity(settings.photos, 'photo')} each, seed {settings.seed}"
    if draw(settings.output, identities=settings.identities, photos=settings.photos, seed=settings.seed):
        print(f"Drew {sample}: {settings.output}")
    else:
        print(f"Already there, left as it is: {sample}: {settings.output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run(Settings, _draw, argv, prog="facenet sample")


if __name__ == "__main__":
    sys.exit(main())

"""`facenet sample`: draws photos of people who do not exist."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.command import run
from components.common.flags import Output
from components.sample.folder import draw


@dataclass(frozen=True)
class Settings:
    """Draws photos of people who do not exist, a folder of photos per person, for trying everything out."""

    output: Output
    """Folder to write the photos to, as person-00000/00.jpg and so on."""
    identities: int = 24
    """Number of people."""
    photos: int = 8
    """Number of photos of each person."""
    seed: int = 0
    """The same seed draws the same photos; another one draws other people."""


def _call(settings: Settings) -> None:
    wanted = f"{settings.identities} people, {settings.photos} photos each, seed {settings.seed}"
    if draw(settings.output, identities=settings.identities, photos=settings.photos, seed=settings.seed):
        print(f"Drew {wanted}: {settings.output}")
    else:
        print(f"Already there, left as it is: {wanted}: {settings.output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return run(Settings, _call, argv, prog="facenet sample")


if __name__ == "__main__":
    sys.exit(main())

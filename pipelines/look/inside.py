"""Nothing outside the runs folder is read, wherever links lead."""

from __future__ import annotations

from pathlib import Path


def inside(folder: Path, path: Path) -> Path | None:
    """Where a path leads when all links are followed; None when that is outside a folder, or is not there."""
    try:
        place = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a loop of links, a NUL
        return None
    return place if place.is_relative_to(folder.resolve()) else None

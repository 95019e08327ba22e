"""Files of installed packages whose own code never runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def file_in_package(package: str, file: str) -> Path | None:
    """Where a file of a package lies, without importing the package.

    Args:
        package: under its import name.
        file: relative to the package's folder.

    Returns:
        The path; None where there is no such package, or no such file in it.
    """
    found = find_spec(package)
    path = None if found is None or found.origin is None else Path(found.origin).parent / file
    return path if path is not None and path.is_file() else None

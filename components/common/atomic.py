"""Results that are whole or absent: written aside, then renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.common.errors import UsageError


def _new_parent(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "The folder for the result cannot be made.",
            received=f"{path} ({error.strerror})",
            advice="Choose a place that you may write to.",
        ) from error
    return path.parent


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes its place when the block ends without an error.

    A former folder at `path` stays until then and is replaced whole. After an error nothing is left behind.

    Raises:
        UsageError: `path` is a file, or its parent cannot be written to.
    """
    path = Path(os.path.abspath(path))
    if path.exists() and not path.is_dir():
        raise UsageError("The result is a folder, but a file is in its place.", received=path)
    parent = _new_parent(path)
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=parent))
    except OSError as error:
        raise UsageError(
            "The folder of the result cannot be written to.",
            received=f"{parent} ({error.strerror})",
            advice="Choose a place that you may write to.",
        ) from error
    try:
        aside.chmod(0o755)
        yield aside
        if path.exists():
            former = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".former", dir=parent))
            path.rename(former / path.name)
            aside.rename(path)
            shutil.rmtree(former)
        else:
            aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file whole: readers see the former content or the new one, never a part of it."""
    path = Path(os.path.abspath(path))
    data = content.encode() if isinstance(content, str) else content
    parent = _new_parent(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=parent)
    except OSError as error:
        raise UsageError(
            "The file cannot be written.",
            received=f"{path} ({error.strerror})",
            advice="Choose a place that you may write to.",
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)

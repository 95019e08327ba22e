"""Results that are whole or absent: written aside, then renamed into place.

A former folder and a new one change places in one operation of the file system. Where it has none (NFS, some FUSE), the
former one is renamed away first; a process that is killed before the second renaming leaves it in `.NAME.*.former`, and
`put_back` restores it.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

from components.common.errors import UsageError

# The ending of a folder that holds a former result until the new one is in its place.
FORMER = ".former"


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


def check_replaceable(path: Path, holds: Sequence[str]) -> None:
    """Refuses a place for a result where something else lies: a slip of the hand must not delete a folder of photos.

    Commands that work for long call this before they begin; `new_directory` calls it in any case.

    Args:
        path: where a result is to go.
        holds: glob patterns of the names that a former result has in its folder.

    Raises:
        UsageError: `path` is a file, a mount point, or a folder that holds anything else.
    """
    if not path.exists():
        return
    if _is_mounted(path):
        raise UsageError(
            "The folder for the result is a mount point, which cannot be replaced.",
            received=path,
            advice=f"Give a folder inside it, such as {path / 'result'}.",
        )
    if not path.is_dir():
        raise UsageError(
            "The result is a folder, but a file is in its place.",
            received=path,
            advice="Choose another place, or move that file away.",
        )
    for entry in path.iterdir():
        if not any(fnmatch(entry.name, pattern) for pattern in holds):
            raise UsageError(
                "The folder for the result holds something else; it is left as it is.",
                received=f"{path}, with {entry.name}",
                advice="Choose another folder, or empty this one first.",
            )


def check_separate(source: Path, name: str, results: Mapping[str, Path]) -> None:
    """Checks that results lie neither in or around what they are made from, nor in each other's places.

    Args:
        source: what they are made from, which a result in its place would replace.
        name: what people call it, "photo folder".
        results: where each goes, by its flag.

    Raises:
        UsageError: two of them contain each other.
    """
    given, source = {flag: path.resolve() for flag, path in results.items()}, source.resolve()
    for flag, path in given.items():
        if path.is_relative_to(source) or source.is_relative_to(path):
            raise UsageError(
                f"{flag} and the {name} must not contain each other.",
                received=f"{path} and {source}",
                advice=f"Choose a folder beside the {name}.",
            )
    for flag, path in given.items():
        if any(path.is_relative_to(other) for one, other in given.items() if one != flag):
            raise UsageError(
                f"{flag} lies in the place of another result.", received=path, advice="Choose another folder."
            )


def _is_mounted(path: Path) -> bool:
    """Whether a file system, or on Linux a part of one, is mounted at a folder."""
    if path.is_mount():
        return True
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    # The kernel writes blanks, tabs, line feeds and backslashes in octal.
    wanted = re.sub(rb"[ \t\n\\]", lambda match: b"\\%03o" % ord(match[0]), os.fsencode(path.resolve()))
    return any(line.split(b" ")[4:5] == [wanted] for line in mounts)


@contextmanager
def new_directory(path: Path, holds: Sequence[str]) -> Iterator[Path]:
    """Yields an empty folder beside `path` that takes its place when the block ends without an error.

    A former result at `path` stays until then and is replaced whole. An error leaves nothing behind. A process that is
    killed leaves the former result or the new one in place, and beside it, hidden, what it had begun.

    Args:
        path: where the result is to go.
        holds: glob patterns of the names that the result has in its folder; see `check_replaceable`.

    Raises:
        UsageError: `path` holds something else than a former result, or its parent cannot be written to.
    """
    path = path.resolve()
    put_back(path.parent.glob(f".{escape(path.name[:100])}.*{FORMER}"))
    check_replaceable(path, holds)
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
        if not path.exists():
            aside.rename(path)
        elif not _exchange(aside, path):
            former = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=FORMER, dir=parent))
            try:
                path.rename(former / path.name)
            except OSError:
                former.rmdir()
                raise
            aside.rename(path)
            shutil.rmtree(former)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def put_back(aside: Iterable[Path]) -> None:
    """Restores each result that a killed process renamed away without putting a new one in its place.

    Args:
        aside: folders `.NAME.*.former`, each holding the former NAME.
    """
    # The latest first: the older ones were replaced, and only not yet deleted.
    for former in sorted(aside, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        for result in former.iterdir():
            place = former.parent / result.name
            if not place.exists():
                result.rename(place)


@cache
def _system() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _exchange(one: Path, other: Path) -> bool:
    """Makes two folders change places in one operation; where that is impossible, does nothing and returns False."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            return _system().renamex_np(*names, 2) == 0  # RENAME_SWAP
        here = -100  # AT_FDCWD
        return _system().renameat2(here, names[0], here, names[1], 2) == 0  # RENAME_EXCHANGE
    except AttributeError:  # a C library that is older than the call
        return False


def link_or_copy(file: Path, place: Path) -> None:
    """Gives a file that nobody changes in place a second name; copies it where the file system has no hard links."""
    try:
        place.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, place)


def write_file(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Writes a file whole; see `new_file`.

    Args:
        path: the file.
        content: bytes, or text that is written as UTF-8.
        durable: whether it is whole also when the whole machine stops; it costs milliseconds.
    """
    with new_file(path, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yields a file to write that takes its place when the block ends without an error.

    Readers see the former content or the new one, never a part of it.

    Args:
        path: where the file is to be.
        durable: whether that also holds when the whole machine stops; it costs milliseconds.

    Raises:
        UsageError: its folder cannot be written to.
    """
    path = path.resolve()
    parent = _new_parent(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".partial", dir=parent)
    except OSError as error:
        raise UsageError(
            "The file cannot be written.",
            received=f"{path} ({error.strerror})",
            advice="Choose a place that you may write to.",
        ) from error
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())  # on the disk before the name is
        aside.chmod(0o644)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)

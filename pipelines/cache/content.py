"""SHA-256 of files and folders, and what a module imports, found once and remembered until a file changes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.cache.named import files_at

# What the system says of a file: size, time of the last change of its content, of its description, inode.
Fingerprint = tuple[int, int, int, int]

# A file written twice within one tick of the clock looks unchanged: what is this young is not remembered.
_TOO_YOUNG_SECONDS = 2.0

TABLES = """
CREATE TABLE IF NOT EXISTS content (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS imports (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, names TEXT
) WITHOUT ROWID;
"""


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _old_enough(fingerprint: Fingerprint, begun: float) -> bool:
    """Whether a file would look otherwise if it had been written to since `begun`, when nobody had yet looked at it."""
    return max(fingerprint[1], fingerprint[2]) < (begun - _TOO_YOUNG_SECONDS) * 1e9


def _walk(root: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Every folder and file below a folder, links followed; without a status where there is none.

    That is a broken link, and what may not be looked into or is gone by then: the task that reads it has to say so.
    Likewise of a link to a folder that it lies in: it is yielded, and not followed, as by `components.extract.scan`.
    """
    outside = frozenset((status.st_dev, status.st_ino) for status in map(Path.stat, Path(root).parents))
    waiting = [(root, outside)]
    while waiting:  # no recursion: folders may lie in each other as deep as they like
        folder, above = waiting.pop()
        try:
            status = Path(folder).stat()
            entries = list(os.scandir(folder))
        except OSError:
            if folder == root:
                raise
            yield f"{folder}/", None  # another line than the folder's own
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            continue
        for entry in entries:
            try:
                described = entry.stat()
            except OSError:
                yield entry.path, None
                continue
            yield entry.path, described
            if stat.S_ISDIR(described.st_mode):
                waiting.append((entry.path, above | {identity}))


def _hash_file(path: bytes) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - names need not be valid UTF-8
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        # It is for the task that reads the file to say so: here it only has to differ from a readable one.
        return f"unreadable: {error.strerror}"


class Contents:
    """Hashes of files and folders, remembered in a database by path and fingerprint.

    Args:
        database: a connection with `TABLES`.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def sha256(self, path: Path) -> str:
        """Hash of what a stage opens that is given this path.

        Of a file, that of its bytes; of a folder, of the relative paths and the hashes of the files there; of several
        files that belong together (`named.files_at`), of their names and hashes.

        Raises:
            FileNotFoundError: there is nothing at `path`.
        """
        files = files_at(path)
        if len(files) < 2:
            return self._sha256(path)
        lines = (os.fsencode(one.name) + b"\0" + self._sha256(one).encode() + b"\n" for one in files)
        return hashlib.sha256(b"".join(lines)).hexdigest()

    def touched(self, path: Path) -> str:
        """Another text whenever something of what `sha256` reads was written to, whatever it was made of it.

        Nothing is read. The time of the last change of a file's description does not count: a second name that a task
        gives a file of its input changes it.

        Raises:
            UsageError, FileNotFoundError: as `sha256`.
        """
        whole = hashlib.sha256()
        for one in files_at(path) or [path]:
            entries = _walk(str(one)) if one.is_dir() else ()
            for name, status in sorted([(str(one), one.stat()), *entries], key=lambda entry: entry[0]):
                seen = status and (status.st_size, status.st_mtime_ns, status.st_ino)
                whole.update(os.fsencode(f"{name}\0{seen}\n"))
        return whole.hexdigest()

    def commit(self) -> None:
        """Keeps what `names_in` found."""
        self._database.commit()

    def _sha256(self, path: Path) -> str:
        begun = time.time()
        path = path.resolve()
        if not path.is_dir():
            return self._hashes(path, [(os.fsencode(path), path.stat())], begun)[os.fsencode(path)]
        lines, files = [], []
        start = len(os.fsencode(path)) + 1
        for name, status in _walk(str(path)):
            raw = os.fsencode(name)
            if status is not None and stat.S_ISREG(status.st_mode):
                files.append((raw, status))
            else:
                kind = "missing" if status is None else str(stat.S_IFMT(status.st_mode))
                lines.append((raw[start:], kind))
        lines += [(raw[start:], sha256) for raw, sha256 in self._hashes(path, files, begun).items()]
        whole = hashlib.sha256()
        for raw, what in sorted(lines):
            whole.update(raw + b"\0" + what.encode() + b"\n")
        return whole.hexdigest()

    def names_in(self, file: Path, package: str) -> frozenset[str]:
        """`code.names_in`, without parsing a file again that has not changed."""
        # Not above: the recorder of a run by docker compose hashes files in images, and no image has this module.
        from components.specification import code

        begun = time.time()
        fingerprint = _fingerprint(file.stat())
        row = self._database.execute(
            "SELECT size, mtime_ns, ctime_ns, inode, names FROM imports WHERE path = ?", (os.fsencode(file),)
        ).fetchone()
        if row is not None and row[:4] == fingerprint:
            return frozenset(row[4].split())
        names = code.names_in(file, package)
        if _old_enough(fingerprint, begun):
            # Whoever asks commits: a file at a time would wait for the disk a hundred times.
            self._database.execute(
                "INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?, ?)",
                (os.fsencode(file), *fingerprint, " ".join(sorted(names))),
            )
        return names

    def _hashes(self, root: Path, files: Iterable[tuple[bytes, os.stat_result]], begun: float) -> dict[bytes, str]:
        """The hashes of files below a root, whose description was read when it had `begun` or later."""
        prints = {raw: _fingerprint(status) for raw, status in files}
        remembered = self._lookup(os.fsencode(root))
        hashes, unknown = {}, []
        for raw, fingerprint in prints.items():
            if raw in remembered and remembered[raw][0] == fingerprint:
                hashes[raw] = remembered[raw][1]
            else:
                unknown.append(raw)
        with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
            fresh = dict(zip(unknown, pool.map(_hash_file, unknown), strict=True))
        self._remember({raw: (prints[raw], sha256) for raw, sha256 in fresh.items()}, begun)
        return hashes | fresh

    def _lookup(self, root: bytes) -> dict[bytes, tuple[Fingerprint, str]]:
        rows = self._database.execute(
            "SELECT path, size, mtime_ns, ctime_ns, inode, sha256 FROM content"
            " WHERE path = ? OR (path >= ? AND path < ?)",
            (root, root + b"/", root + b"0"),  # "0" follows "/"
        )
        return {row[0]: (row[1:5], row[5]) for row in rows}

    def _remember(self, hashes: dict[bytes, tuple[Fingerprint, str]], begun: float) -> None:
        rows = [
            (raw, *fingerprint, sha256)
            for raw, (fingerprint, sha256) in hashes.items()
            if _old_enough(fingerprint, begun) and not sha256.startswith("unreadable")
        ]
        if rows:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)", rows)

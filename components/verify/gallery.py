"""A gallery: embeddings of known people's faces in one SQLite file, which says which network made them.

SQLite writes a change aside first (its rollback journal), so a process or a machine that dies in the middle leaves the
former gallery, which the next one to open the file puts back. See README.md for what else was considered.
"""

from __future__ import annotations

import errno
import fcntl
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.common.errors import FacenetError, UsageError
from components.common.names import one_form
from components.embed.network import Network
from components.verify.search import People
from components.verify.untrusted import beside, guard, in_the_way, schema

# Marks the file as a gallery, and the version of its tables: SQLite keeps both in the file's header.
APPLICATION_ID = 0x46414345  # "FACE"
VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS model (sha256 TEXT NOT NULL, embedding_size INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS person (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS face (
    face_id TEXT NOT NULL UNIQUE,  -- of the crop's pixels, as in the faces manifest: a picture is enrolled once
    person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    photo TEXT NOT NULL,           -- for people: where it came from
    embedding BLOB NOT NULL        -- float32, little-endian, unit length
) STRICT;
"""
_STORED = np.dtype("<f4")
_ROWS_AT_A_TIME = 8192
_SECONDS_TO_WAIT = 10
# What SQLite says when the system, and not what is in the file, is in the way.
_SYSTEM_CODES = ("BUSY", "CANTOPEN", "FULL", "IOERR", "LOCKED", "PERM", "READONLY")
_SYSTEM = {getattr(sqlite3, f"SQLITE_{name}") for name in _SYSTEM_CODES}


@dataclass(frozen=True)
class Entry:
    """A face to enroll: whose it is, its id and photo as in the faces manifest, and its embedding, float32 [size]."""

    name: str
    face_id: str
    photo: str
    embedding: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Added:
    """What enrolling did: faces added, those that were there already, and what the gallery now holds."""

    faces: int
    known: int
    total_faces: int
    total_people: int


class Gallery:
    """An open gallery; see `opened`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, embedding_size: int) -> None:
        self._path = path
        self._connection = connection
        self._embedding_size = embedding_size

    def add(self, entries: Iterable[Entry]) -> Added:
        """Adds faces: all of them or, when anything goes wrong on the way, none.

        Nobody else can write meanwhile: what takes long is done before.

        Raises:
            UsageError: a picture is enrolled under another name already.
        """
        faces = known = 0
        with _changing(self._connection):
            for entry in entries:
                new = self._add(entry, one_form(entry.name))
                faces, known = faces + new, known + (not new)
            people = {one_form(name) for _, name in self._connection.execute("SELECT id, name FROM person")}
            return Added(faces, known, self._count(), len(people))

    def _add(self, entry: Entry, name: str) -> bool:
        query = "SELECT name, photo FROM face JOIN person ON person = id WHERE face_id = ?"
        there = self._connection.execute(query, (entry.face_id,)).fetchone()
        if there is not None and one_form(there[0]) != name:
            raise UsageError(
                "The same picture is enrolled under another name already; the gallery is left as it was.",
                received=f"{entry.photo} as {name}; {there[1]} as {there[0]}",
                advice="Keep it under the right name.",
            )
        if there is not None:
            return False
        self._connection.execute("INSERT INTO person (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        self._connection.execute(
            "INSERT INTO face SELECT ?, id, ?, ? FROM person WHERE name = ?",
            (entry.face_id, entry.photo, entry.embedding.astype(_STORED).tobytes(), name),
        )
        return True

    def faces_of(self, name: str) -> int:
        """The number of a person's faces.

        Raises:
            UsageError: nobody of that name is in the gallery.
        """
        query = "SELECT count(*) FROM face WHERE person = ?"
        return sum(int(self._connection.execute(query, key).fetchone()[0]) for key in self._keys(name))

    def _keys(self, name: str) -> list[tuple[int]]:
        """A person's rows: a gallery from before there was one form may hold somebody in both."""
        rows = self._connection.execute("SELECT id, name FROM person")
        keys = [(key,) for key, stored in rows if one_form(stored) == one_form(name)]
        if not keys:
            raise UsageError(
                "Nobody of this name is in the gallery.",
                received=f"{name}; {self._path}",
                advice="The name is the one they were enrolled under, in its spelling.",
            )
        return keys

    def forget(self, name: str) -> int:
        """Removes a person and overwrites what was stored of them.

        Returns:
            The number of their faces.

        Raises:
            UsageError: nobody of that name is in the gallery.
        """
        with _changing(self._connection):
            faces = self.faces_of(name)
            self._connection.executemany("DELETE FROM person WHERE id = ?", self._keys(name))
        return faces

    def people(self) -> People:
        """Everybody in the gallery, in memory.

        Raises:
            FacenetError: the gallery is empty or damaged.
        """
        people = [(key, one_form(name)) for key, name in self._connection.execute("SELECT id, name FROM person")]
        names = sorted({name for _, name in people})
        place = {name: index for index, name in enumerate(names)}
        number = {key: place[name] for key, name in people}
        count = self._count()
        if not count:
            raise _empty(self._path)
        embeddings = np.empty((count, self._embedding_size), np.float32)
        person = np.empty(count, np.int32)
        rows = self._connection.execute("SELECT person, embedding FROM face")
        for start in range(0, count, _ROWS_AT_A_TIME):
            keys, blobs = zip(*rows.fetchmany(_ROWS_AT_A_TIME), strict=True)
            block = slice(start, start + len(keys))
            if {len(blob) for blob in blobs} != {self._embedding_size * _STORED.itemsize}:
                raise _damaged(self._path, f"an embedding is not of {self._embedding_size} numbers")
            try:
                person[block] = [number[key] for key in keys]
            except KeyError as error:
                raise _damaged(self._path, f"a face of nobody, {error}") from error
            embeddings[block] = np.frombuffer(b"".join(blobs), _STORED).reshape(len(keys), self._embedding_size)
        lengths = np.einsum("nd,nd->n", embeddings, embeddings)
        if not np.allclose(lengths, 1, atol=1e-3):
            raise _damaged(self._path, f"{np.count_nonzero(~np.isclose(lengths, 1, atol=1e-3))} of its embeddings")
        if len(np.unique(person)) != len(names):
            raise _damaged(self._path, "somebody without a face")
        return People(names, person, embeddings)

    def _count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM face").fetchone()[0])


@contextmanager
def opened(path: Path, network: Network | None = None, *, create: bool = False) -> Iterator[Gallery]:
    """Opens a gallery.

    Args:
        path: the file.
        network: what embeds faces now; distances to the embeddings of another mean nothing. None where nothing is
            compared.
        create: whether to begin a gallery of this network where there is none.

    Raises:
        UsageError: no gallery here, one with something else in it, or one of another network.
        FacenetError: the file is damaged, or somebody else writes to it for long.
    """
    if not (path.is_file() if path.exists() else create):
        raise UsageError(
            "There is no gallery here.", received=path, advice="`facenet enroll PHOTOS -g GALLERY` begins one."
        )
    if odd := beside(path):
        raise _damaged(path, odd)
    try:
        uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        with closing(sqlite3.connect(uri, timeout=_SECONDS_TO_WAIT, uri=True)) as connection:
            guard(connection)
            # Deleted faces are overwritten, not only left out.
            connection.executescript("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")
            if _is_new(connection):
                if not create or network is None:
                    raise _empty(path)
                _begin(connection, network)
            made_by, embedding_size = _made_by(path, connection)
            if network is not None and made_by != network.sha256:
                raise UsageError(
                    "This gallery was made by another network.",
                    received=f"{path}, of {made_by[:12]}; now {network.sha256[:12]}",
                    advice="Give that network with -c, or enroll the photos anew into another gallery.",
                )
            if network is not None and embedding_size != network.embedding_size:
                raise _damaged(path, f"it says that this network's embeddings have {embedding_size} numbers")
            yield Gallery(path, connection, embedding_size)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a text, or what SQLite says of it
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise _no_gallery(path) from error
        if code not in _SYSTEM:
            raise _damaged(path, error) from error
        if code == sqlite3.SQLITE_BUSY and _lacks_locks(path.parent):
            raise FacenetError(
                "The gallery lies on a drive without locks, so nobody can know who else writes to it.",
                received=path,
                advice="Move it to another drive, or mount this one with locks (NFS: with its lock service).",
            ) from error
        raise FacenetError(
            "The gallery cannot be used.",
            received=f"{path} ({error})",
            advice="Does another program have it open? Is the disk full, or the folder not yours?",
        ) from error


@contextmanager
def _changing(connection: sqlite3.Connection) -> Iterator[None]:
    """A change, whole or not at all; from its first look on nobody else writes.

    A write-ahead log, which another program may have switched on, would keep what is overwritten in the file. SQLite
    ends that mode only while no other process has the file open; else the change is refused.
    """
    connection.executescript("PRAGMA query_only = OFF; PRAGMA journal_mode = DELETE;")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def _lacks_locks(folder: Path) -> bool:
    """Whether the system has no locks there; SQLite itself says that somebody else has locked the file."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
    return False


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written: an empty file, also one whose first write was cut off."""
    return not schema(connection) and not connection.execute("PRAGMA application_id").fetchone()[0]


def _begin(connection: sqlite3.Connection, network: Network) -> None:
    connection.executescript(
        f"PRAGMA query_only = OFF; BEGIN IMMEDIATE; {_TABLES}"
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    )
    model = network.sha256, network.embedding_size
    connection.execute("INSERT INTO model SELECT ?, ? WHERE NOT EXISTS (SELECT * FROM model)", model)
    connection.commit()


def _made_by(path: Path, connection: sqlite3.Connection) -> tuple[str, int]:
    """The network that made a gallery: its SHA-256 and the length of its embeddings."""
    application, version = (
        connection.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        raise _no_gallery(path)
    if version != VERSION:
        raise UsageError(
            "This gallery has a version that this program does not read.",
            received=f"{path}, version {version}; version {VERSION} is read",
            advice="Enroll the photos again.",
        )
    if odd := in_the_way(connection, _TABLES):
        raise _damaged(path, odd)
    made_by: tuple[str, int] | None = connection.execute("SELECT sha256, embedding_size FROM model").fetchone()
    if made_by is None or made_by[1] < 1:
        raise _damaged(path, "nothing says which network made it")
    return made_by


def _no_gallery(path: Path) -> UsageError:
    return UsageError("This file is not a gallery.", received=path, advice="`facenet enroll` writes galleries.")


def _empty(path: Path) -> UsageError:
    return UsageError("This gallery is empty.", received=path, advice="`facenet enroll` puts people into it.")


def _damaged(path: Path, reason: object) -> FacenetError:
    return FacenetError(
        "This gallery is damaged.",
        received=f"{path} ({reason})",
        advice="Take a copy of it from before, or enroll the photos again.",
    )

"""The file of a gallery: an SQLite database of a few tables, opened as if somebody else had written it.

SQLite writes a change aside first (its rollback journal), so a process or a machine that dies in the middle leaves the
former gallery, which the next one to open the file puts back.
"""

from __future__ import annotations

import errno
import fcntl
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from components.common.errors import FacenetError, UsageError
from components.common.names import one_form
from components.embed.network import Network
from components.verify.untrusted import fault_beside, fault_in, guard, schema

# Marks the file as a gallery, and the version of its tables: SQLite keeps both in the file's header.
APPLICATION_ID = 0x46414345  # "FACE"
VERSION = 4
_FIRST_TABLES = """
CREATE TABLE IF NOT EXISTS model (sha256 TEXT NOT NULL, embedding_size INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS person (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS face (
    face_id TEXT NOT NULL UNIQUE,  -- of the crop's pixels, as in the faces manifest: a picture is enrolled once
    person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    photo TEXT NOT NULL,           -- for people: where it came from
    embedding BLOB NOT NULL        -- float32, little-endian, unit length
) STRICT;
"""
# Version 2 says of each face what found it: in version 1 that was dlib. Version 4 says when it was enrolled (a day, in
# UTC), its quality, and keeps its picture if that was asked for: a JPEG. All in the words that ALTER TABLE would leave.
_DETECTOR = "detector TEXT NOT NULL DEFAULT 'dlib'"
_DESCRIBED = ("enrolled TEXT", "quality REAL", "picture BLOB")


def _with_columns(tables: str, *columns: str) -> str:
    return ", ".join((tables.removesuffix(") STRICT;\n"), *columns)) + ") STRICT;\n"


_WITH_DETECTOR = _with_columns(_FIRST_TABLES, _DETECTOR)
_TABLES = _with_columns(_WITH_DETECTOR, *_DESCRIBED)
# Versions 3 and 5 are 2 and 4 with an index beside it (`lists.py`): it finds a person's faces, and tells when it was
# changed.
_INDEXED = {2: 3, VERSION: 5}
_FOR_INDEX = (
    "CREATE INDEX face_of_person ON face (person)",
    "CREATE TABLE state (stamp TEXT NOT NULL) STRICT",  # another one after every change
)
_TABLES_OF = {1: _FIRST_TABLES, 2: _WITH_DETECTOR, VERSION: _TABLES}
_TABLES_OF |= {indexed: "; ".join((_TABLES_OF[plain], *_FOR_INDEX)) for plain, indexed in _INDEXED.items()}
_SECONDS_TO_WAIT = 10
# What SQLite says when the system, and not what is in the file, is in the way.
_SYSTEM_CODES = ("BUSY", "CANTOPEN", "FULL", "IOERR", "LOCKED", "PERM", "READONLY")
_SYSTEM = {getattr(sqlite3, f"SQLITE_{name}") for name in _SYSTEM_CODES}


@contextmanager
def connect(path: Path, network: Network | None, *, create: bool) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Opens the file of a gallery.

    Args:
        path: the file.
        network: what embeds faces now; distances to the embeddings of another mean nothing. None where nothing is
            compared.
        create: whether to begin a gallery of this network where there is none.

    Yields:
        A connection that changes nothing outside of `change`, and the length of the gallery's embeddings.

    Raises:
        UsageError: no gallery here, one with something else in it, or one of another network.
        FacenetError: the file is damaged, or somebody else writes to it for long.
    """
    if not (path.is_file() if path.exists() else create):
        raise UsageError(
            "There is no gallery here.", received=path, advice="`facenet enroll PHOTOS -g GALLERY` begins one."
        )
    if fault := fault_beside(path):
        raise damaged_error(path, fault)
    try:
        uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        with closing(sqlite3.connect(uri, timeout=_SECONDS_TO_WAIT, uri=True)) as connection:
            guard(connection)
            # Deleted faces are overwritten, not only left out.
            connection.executescript("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")
            if _is_new(connection):
                if not create or network is None:
                    raise empty(path)
                _begin(connection, network)
            made_by, embedding_size = _made_by(path, connection)
            if network is not None and made_by != network.sha256:
                raise UsageError(
                    "This gallery was made by another network.",
                    received=f"{path}, of {made_by[:12]}; now {network.sha256[:12]}",
                    advice="Give that network with -c, or enroll the photos anew into another gallery.",
                )
            if network is not None and embedding_size != network.embedding_size:
                raise damaged_error(path, f"it says that this network's embeddings have {embedding_size} numbers")
            yield connection, embedding_size
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a text, or what SQLite says of it
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise _no_gallery(path) from error
        if code not in _SYSTEM:
            raise damaged_error(path, error) from error
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
def change(connection: sqlite3.Connection) -> Iterator[str]:
    """A change, whole or not at all; from its first look on nobody else writes.

    A write-ahead log, which another program may have switched on, would keep what is overwritten in the file. SQLite
    ends that mode only while no other process has the file open; else the change is refused.

    Yields:
        The stamp of the gallery after the change, if it is one with an index and anything is changed.
    """
    stamp = secrets.token_hex(16)
    connection.executescript("PRAGMA query_only = OFF; PRAGMA journal_mode = DELETE;")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        before = connection.total_changes
        yield stamp
        if connection.total_changes > before and has_index(connection):
            connection.execute("UPDATE state SET stamp = ?", (stamp,))


def has_detectors(connection: sqlite3.Connection) -> bool:
    """Whether a gallery says of each face what found it: since version 2."""
    return _version(connection) > 1


def has_descriptions(connection: sqlite3.Connection) -> bool:
    """Whether a gallery may say of each face when it was enrolled, how good it is and what it looks like."""
    return _version(connection) >= VERSION


def add_columns(connection: sqlite3.Connection) -> None:
    """Makes a gallery of an older version one of today's, in a change."""
    if not has_descriptions(connection):
        for column in _DESCRIBED if has_detectors(connection) else (_DETECTOR, *_DESCRIBED):
            connection.execute(f"ALTER TABLE face ADD COLUMN {column}")
        version = _INDEXED[VERSION] if has_index(connection) else VERSION
        connection.execute(f"PRAGMA user_version = {version}")


def has_index(connection: sqlite3.Connection) -> bool:
    """Whether a gallery is one that an index is made of."""
    return _version(connection) in _INDEXED.values()


def add_index(connection: sqlite3.Connection) -> None:
    """Makes a gallery one that an index is made of, in a change; people whose names are one become one."""
    if not has_index(connection):
        add_columns(connection)
        rows = connection.execute("SELECT id, name FROM person")
        for key, name in [(key, one_form(name)) for key, name in rows if name != one_form(name)]:
            connection.execute("INSERT INTO person (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            theirs = "UPDATE face SET person = (SELECT id FROM person WHERE name = ?) WHERE person = ?"
            connection.execute(theirs, (name, key))
            connection.execute("DELETE FROM person WHERE id = ?", (key,))
        for statement in _FOR_INDEX:
            connection.execute(statement)
        connection.execute("INSERT INTO state VALUES ('')")
        connection.execute(f"PRAGMA user_version = {_INDEXED[VERSION]}")
    connection.execute("UPDATE state SET stamp = ''")  # a change, also of a gallery that had one


def stamp_of(connection: sqlite3.Connection) -> str:
    """What tells a gallery with an index from the same one before its last change; "" of a gallery without one."""
    row = connection.execute("SELECT stamp FROM state LIMIT 1").fetchone() if has_index(connection) else None
    return str(row[0]) if row else ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


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
    if version not in _TABLES_OF:
        raise UsageError(
            "This gallery has a version that this program does not read.",
            received=f"{path}, version {version}; versions up to {max(_TABLES_OF)} are read",
            advice="Enroll the photos again.",
        )
    if fault := fault_in(connection, _TABLES_OF[version]):
        raise damaged_error(path, fault)
    made_by: tuple[str, int] | None = connection.execute("SELECT sha256, embedding_size FROM model").fetchone()
    if made_by is None or made_by[1] < 1:
        raise damaged_error(path, "nothing says which network made it")
    return made_by


def network_of(path: Path) -> str:
    """The SHA-256 of the network that made a gallery; errors as of `connect`."""
    with connect(path, None, create=False) as (connection, _):
        return _made_by(path, connection)[0]


def _no_gallery(path: Path) -> UsageError:
    return UsageError("This file is not a gallery.", received=path, advice="`facenet enroll` writes galleries.")


def empty(path: Path) -> UsageError:
    """The error for a gallery that nobody is in."""
    return UsageError("This gallery is empty.", received=path, advice="`facenet enroll` puts people into it.")


def damaged_error(path: Path, reason: object) -> FacenetError:
    """The error for a gallery that cannot be as it was written."""
    return FacenetError(
        "This gallery is damaged.",
        received=f"{path} ({reason})",
        advice="Take a copy of it from before, or enroll the photos again.",
    )

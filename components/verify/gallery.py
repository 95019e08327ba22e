"""A gallery: embeddings of known people's faces in one SQLite file, which says which network made them.

`database.py` opens the file. See README.md for what else was considered.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.common.names import one_form, plain
from components.common.preprocessing import DETECTORS, mixed
from components.embed.network import Network
from components.verify import lists
from components.verify.database import (
    add_columns,
    add_index,
    change,
    connect,
    damaged_error,
    empty,
    has_detectors,
    stamp_of,
)
from components.verify.search import People

_STORED = np.dtype("<f4")
_ROWS_AT_A_TIME = 8192
# People in the order of their names, and the faces of each as they were enrolled: as `people` has them.
_SOME = """
SELECT id, name, embedding FROM face JOIN person ON person = id
WHERE person IN (SELECT value FROM json_each(?)) ORDER BY name, face.rowid
"""
# Of a face that is there: what an older gallery, or who enrolled it, left unsaid.
_DESCRIBE = """
UPDATE face SET quality = coalesce(quality, :quality), picture = coalesce(picture, :jpeg)
WHERE face_id = :id AND (quality IS NULL AND :quality IS NOT NULL OR picture IS NULL AND :jpeg IS NOT NULL)
"""

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Enrollment:
    """A face to enroll.

    Args:
        name: whose it is.
        face_id: its id, as in the faces manifest.
        photo: likewise.
        embedding: float32 [size].
        quality: 0 to 100; None where it is not known.
        picture: a small JPEG of it, for people to look at; None where none is to be kept.
    """

    name: str
    face_id: str
    photo: str
    embedding: npt.NDArray[np.float32]
    quality: float | None = None
    picture: bytes | None = None


@dataclass(frozen=True)
class Added:
    """What enrolling did: faces added, those that were there already, and what the gallery now holds."""

    faces: int
    known: int
    total_faces: int
    total_people: int


class Gallery:
    """An open gallery; see `open_gallery`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, embedding_size: int, detector: str) -> None:
        self._path = path
        self._connection = connection
        self._embedding_size = embedding_size
        self._detector = detector

    def add(self, enrollments: Iterable[Enrollment]) -> Added:
        """Adds faces: all of them or, when anything goes wrong on the way, none.

        Nobody else can write meanwhile: what takes long is done before.

        Raises:
            UsageError: a picture is enrolled under another name already.
        """
        faces = known = 0
        with change(self._connection):
            add_columns(self._connection)
            for face in enrollments:
                new = self._add(face, one_form(face.name))
                faces, known = faces + new, known + (not new)
            people = {one_form(name) for _, name in self._connection.execute("SELECT id, name FROM person")}
            return Added(faces, known, self._count(), len(people))

    def _add(self, face: Enrollment, name: str) -> bool:
        query = "SELECT name, photo FROM face JOIN person ON person = id WHERE face_id = ?"
        there = self._connection.execute(query, (face.face_id,)).fetchone()
        if there is not None and one_form(there[0]) != name:
            raise UsageError(
                "The same picture is enrolled under another name already; the gallery is left as it was.",
                received=f"{face.photo} as {name}; {there[1]} as {there[0]}",
                advice="Keep it under the right name.",
            )
        if there is not None:
            self._connection.execute(_DESCRIBE, {"id": face.face_id, "quality": face.quality, "jpeg": face.picture})
            return False
        self._connection.execute("INSERT INTO person (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        today = datetime.now(UTC).date().isoformat()
        embedding = face.embedding.astype(_STORED).tobytes()
        said = (face.face_id, face.photo, embedding, self._detector, today, face.quality, face.picture, name)
        self._connection.execute("INSERT INTO face SELECT ?, id, ?, ?, ?, ?, ?, ? FROM person WHERE name = ?", said)
        return True

    def faces_of(self, name: str) -> int:
        """The number of a person's faces.

        Raises:
            UsageError: nobody of that name is in the gallery.
        """
        query = "SELECT count(*) FROM face WHERE person = ?"
        return sum(int(self._connection.execute(query, key).fetchone()[0]) for key in self._keys(name))

    def photos_of(self, name: str) -> set[str]:
        """The paths of the photos that show a person's faces, as they were when these were enrolled.

        Raises:
            UsageError: nobody of that name is in the gallery.
        """
        query = "SELECT photo FROM face WHERE person = ?"
        return {str(photo) for key in self._keys(name) for (photo,) in self._connection.execute(query, key)}

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
        """Removes a person and overwrites what was stored of them, in an index of the gallery first.

        Returns:
            The number of their faces.

        Raises:
            UsageError: nobody of that name is in the gallery.
        """
        with change(self._connection) as stamp:
            faces, keys = self.faces_of(name), self._keys(name)
            former, index = stamp_of(self._connection), lists.place(self._path)
            lists.erase(index, [key for (key,) in keys], former, stamp, self._embedding_size)
            self._connection.executemany("DELETE FROM person WHERE id = ?", keys)
        return faces

    def detectors(self) -> set[str]:
        """What found the faces in the gallery.

        Raises:
            FacenetError: the gallery is damaged.
        """
        if not has_detectors(self._connection):
            return {"dlib"} if self._count() else set()
        query = "SELECT DISTINCT detector FROM face LIMIT ?"
        found = {str(row[0]) for row in self._connection.execute(query, (len(DETECTORS) + 1,))}
        if unknown := found - set(DETECTORS):
            raise damaged_error(self._path, f"a face was found by {min(unknown)!r}")
        return found

    def say_detectors(self) -> None:
        """Says so, on stderr, where another detector found faces in the gallery than finds those of now."""
        for detector in sorted(self.detectors() - {self._detector}):
            print(f"{plain(self._path)}: {mixed(detector, self._detector)}", file=sys.stderr)

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
            raise empty(self._path)
        embeddings = np.empty((count, self._embedding_size), np.float32)
        person = np.empty(count, np.int32)
        rows = self._connection.execute("SELECT person, embedding FROM face")
        for start in range(0, count, _ROWS_AT_A_TIME):
            keys, blobs = zip(*rows.fetchmany(_ROWS_AT_A_TIME), strict=True)
            block = slice(start, start + len(keys))
            try:
                person[block] = [number[key] for key in keys]
            except KeyError as error:
                raise damaged_error(self._path, f"a face of nobody, {error}") from error
            embeddings[block] = self._embeddings(blobs)
        if len(np.unique(person)) != len(names):
            raise damaged_error(self._path, "somebody without a face")
        return People(names, person, embeddings)

    def _embeddings(self, blobs: Sequence[bytes]) -> npt.NDArray[np.float32]:
        if {len(blob) for blob in blobs} - {self._embedding_size * _STORED.itemsize}:
            raise damaged_error(self._path, f"an embedding is not of {self._embedding_size} numbers")
        embeddings = np.frombuffer(b"".join(blobs), _STORED).reshape(-1, self._embedding_size).astype(np.float32)
        lengths = np.einsum("nd,nd->n", embeddings, embeddings)
        if not np.allclose(lengths, 1, atol=1e-3):
            raise damaged_error(self._path, f"{np.count_nonzero(~np.isclose(lengths, 1, atol=1e-3))} of its embeddings")
        return embeddings

    @contextmanager
    def indexing(self) -> Iterator[str]:
        """Makes the gallery one with an index; nobody enrolls or forgets while that is made.

        Yields:
            The gallery's stamp from now on, by which the index knows it.
        """
        with change(self._connection) as stamp:
            add_index(self._connection)
            yield stamp

    @property
    def index(self) -> lists.Lists:
        """The index of the gallery.

        Raises:
            UsageError: there is none, or the gallery was changed since it was made.
            FacenetError: it is damaged.
        """
        return lists.read(lists.place(self._path), stamp_of(self._connection), self._embedding_size)

    def keys(self) -> Keys:
        """Everybody, as numbers in ascending order that stay a person's until they are forgotten: int64 [people]."""
        rows = self._connection.execute("SELECT id FROM person WHERE id IN (SELECT person FROM face) ORDER BY id")
        return np.fromiter((key for (key,) in rows), np.int64)

    def some(self, keys: Keys) -> tuple[Keys, People]:
        """Some of the people of a gallery with an index, in the order of their names.

        Args:
            keys: int64 [n], theirs; whoever is not there any more is left out.

        Raises:
            FacenetError: the gallery is damaged.
        """
        rows = self._connection.execute(_SOME, (json.dumps(keys.tolist()),)).fetchall()
        there = list(dict.fromkeys((key, name) for key, name, _ in rows))
        place = {key: number for number, (key, _) in enumerate(there)}
        person = np.array([place[key] for key, _, _ in rows], np.int32)
        people = People([name for _, name in there], person, self._embeddings([row[2] for row in rows]))
        return np.array([key for key, _ in there], np.int64), people

    def totals(self) -> tuple[int, int]:
        """The numbers of people and of faces in the gallery."""
        people = self._connection.execute("SELECT count(*) FROM person").fetchone()[0]
        return int(people), self._count()

    def _count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM face").fetchone()[0])


@contextmanager
def open_gallery(path: Path, network: Network | None = None, *, create: bool = False) -> Iterator[Gallery]:
    """Opens a gallery; see `database.connect` for what it takes and raises."""
    with connect(path, network, create=create) as (connection, embedding_size):
        yield Gallery(path, connection, embedding_size, network.crop.detector if network else "")

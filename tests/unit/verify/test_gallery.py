from __future__ import annotations

import errno
import fcntl
import itertools
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from components.common.errors import FacenetError, UsageError
from components.verify import database
from components.verify.gallery import Added, Enrollment, open_gallery
from tests.conftest import REPOSITORY
from tests.unit.verify.rows import entries, network

# As a gallery of before has it.
_INSERT = "INSERT INTO face (face_id, person, photo, embedding, detector) VALUES (?, ?, ?, ?, 'dlib')"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gallery.db"
    with open_gallery(path, network(), create=True) as gallery:
        assert gallery.add(entries(10)) == Added(faces=10, known=0, total_faces=10, total_people=3)
    return path


def faces_of(path):
    with open_gallery(path, network()) as gallery:
        people = gallery.people()
    return {(people.names[whose], face.tobytes()) for whose, face in zip(people.person, people.embeddings, strict=True)}


def test_what_is_enrolled_comes_back_and_nothing_twice(path):
    assert faces_of(path) == {(entry.name, entry.embedding.tobytes()) for entry in entries(10)}
    with open_gallery(path, network(), create=True) as gallery:
        assert gallery.add(entries(10)) == Added(faces=0, known=10, total_faces=10, total_people=3)
    assert [file.name for file in path.parent.iterdir()] == ["gallery.db"]  # one file


def test_one_picture_under_two_names_is_refused_and_nothing_of_the_call_stays(path):
    before = faces_of(path)
    wrong = Enrollment("somebody else", entries(10)[3].face_id, "x.jpg", entries(10)[3].embedding)
    with open_gallery(path, network()) as gallery, pytest.raises(UsageError, match="under another name"):
        gallery.add([*entries(2, start=100), wrong])
    assert faces_of(path) == before


def test_a_gallery_of_another_network_is_refused(path):
    with pytest.raises(UsageError, match="made by another network"), open_gallery(path, network("b" * 64)):
        pass


def test_a_forgotten_person_is_gone_from_the_file(path):
    gone = next(entry for entry in entries(10) if entry.name == "p1").embedding.tobytes()
    assert gone in path.read_bytes()
    with open_gallery(path) as gallery:
        assert gallery.forget("p1") == 3
        with pytest.raises(UsageError, match="Nobody of this name"):
            gallery.forget("p1")
    assert {name for name, _ in faces_of(path)} == {"p0", "p2"}
    assert gone not in path.read_bytes()


def test_a_write_ahead_log_keeps_nobody_who_is_forgotten(path):
    gone = next(entry for entry in entries(10) if entry.name == "p1").embedding.tobytes()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT * FROM person").fetchall()  # from now on it has the log open
        with open_gallery(path, network()) as gallery:
            gallery.people()  # reading goes on
        with pytest.raises(FacenetError, match="cannot be used"), open_gallery(path) as gallery:
            gallery.forget("p1")
    assert len(faces_of(path)) == 10
    with open_gallery(path) as gallery:
        assert gallery.forget("p1") == 3
    assert [file.name for file in path.parent.iterdir()] == ["gallery.db"]
    assert gone not in path.read_bytes()


def test_somebody_in_both_of_unicodes_forms_is_one_person(path):
    nfc, nfd = "Zo\u00eb", "Zoe\u0308"
    first, second, third = entries(3, start=50)
    with open_gallery(path, network()) as gallery:
        added = gallery.add([replace(first, name=nfd), replace(second, name=nfc), replace(first, name=nfc)])
        assert (added.known, added.total_people) == (1, 4)
    with closing(sqlite3.connect(path)) as connection, connection:  # as a gallery of before holds them
        connection.execute("INSERT INTO person VALUES (99, ?)", (nfd,))
        face = (third.face_id, 99, third.photo, third.embedding.tobytes())
        connection.execute(_INSERT, face)
    with open_gallery(path, network()) as gallery:
        people = gallery.people()
        assert [name for name in people.names if name.startswith("Z")] == [nfc]
        assert (people.person == people.names.index(nfc)).sum() == 3
        assert gallery.faces_of(nfd) == gallery.forget(nfc) == 3
        assert set(gallery.people().names) == {"p0", "p1", "p2"}


def test_several_at_once_wait_for_each_other(tmp_path):
    """All begin with no gallery, and each with the same faces."""
    path = tmp_path / "gallery.db"
    together = threading.Barrier(4, timeout=20)

    def enroll(_):
        together.wait()
        with open_gallery(path, network(), create=True) as gallery:
            together.wait()
            return gallery.add(entries(300))

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(enroll, range(4)))
    assert sorted((one.faces, one.known) for one in added) == [(0, 300)] * 3 + [(300, 0)]


def test_what_is_to_be_added_is_known_before_anybody_has_to_wait(path, monkeypatch):
    """While photos are looked at, another one may write."""
    from components.verify import enroll
    from components.verify.model import Model

    def looked_at(*_, **__):
        with open_gallery(path, network()) as other:
            other.add(entries(20))
        yield from entries(25)

    monkeypatch.setattr(enroll, "_photos_by_name", lambda settings, rejects: [])
    monkeypatch.setattr(enroll, "enrollments", looked_at)
    monkeypatch.setattr(enroll, "open_model", lambda settings: Model(Path("x"), network(), None, {}))
    enroll._enroll(enroll.Settings(gallery=path))
    assert len(faces_of(path)) == 25


WRITER = """
import sys
from pathlib import Path
from components.verify.gallery import open_gallery
from tests.unit.verify.rows import entries, network

def endless():
    for start in range(1000, 10**9, 1000):
        yield from entries(1000, start)

with open_gallery(Path(sys.argv[1]), network(), create=True) as gallery:
    gallery.add(endless())
"""


def killed_while_writing(path, grown):
    """Kills a process that enrolls without end as soon as the file itself, not only memory, holds its faces."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > grown):
            assert writer.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(writer.pid, signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL


def test_a_process_killed_while_it_writes_leaves_the_former_gallery(path):
    before, content = faces_of(path), path.read_bytes()
    killed_while_writing(path, grown=len(content) + 2**20)
    assert path.stat().st_size > len(content)  # half-written now
    assert faces_of(path) == before  # put back
    assert path.stat().st_size == len(content)
    with open_gallery(path, network()) as gallery:
        assert gallery.add(entries(5, start=50)).total_faces == 15


def test_a_process_killed_while_it_begins_a_gallery_leaves_an_empty_one(tmp_path):
    path = tmp_path / "new.db"
    killed_while_writing(path, grown=2**20)
    with open_gallery(path, network(), create=True) as gallery:
        with pytest.raises(UsageError, match="empty"):
            gallery.people()
        assert gallery.add(entries(5)).total_faces == 5


def overwritten(path, start, garbage):
    content = bytearray(path.read_bytes())
    content[start : start + len(garbage)] = garbage
    path.write_bytes(content)


def test_damage_is_named(path):
    whole = path.read_bytes()
    with sqlite3.connect(path) as connection:
        embedding = connection.execute("SELECT embedding FROM face").fetchone()[0]
    damages = [
        lambda: path.write_bytes(whole[: len(whole) // 2]),  # cut off
        lambda: overwritten(path, 4096, os.urandom(4096)),  # a page
        lambda: overwritten(path, whole.index(embedding), b"\x7f" * 64),  # an embedding
    ]
    for damage in damages:
        path.write_bytes(whole)
        damage()
        with pytest.raises(FacenetError, match="gallery is damaged"):
            faces_of(path)


FOREIGN = {
    "view": "DROP TABLE model; CREATE VIEW model AS SELECT 'x' AS sha256, 64 AS embedding_size",
    "trigger": "CREATE TRIGGER keep BEFORE DELETE ON person BEGIN SELECT raise(IGNORE); END",
    "trigger with a name of ours": "CREATE TRIGGER face AFTER INSERT ON face BEGIN DELETE FROM person; END",
    "index": "CREATE INDEX more ON face (photo)",
    "index of an expression": "CREATE INDEX more ON face (length(photo))",
    "table": "CREATE TABLE more (x)",
    # Written as it lies in the file: TensorFlow 2.21 has an SQLite without fts5, which counts where it comes first.
    "virtual table": "PRAGMA writable_schema = 1; INSERT INTO sqlite_schema VALUES"
    " ('table', 'more', 'more', 0, 'CREATE VIRTUAL TABLE more USING fts5(x)')",
    "column": "ALTER TABLE face ADD COLUMN more TEXT",
    "generated column": "ALTER TABLE person ADD COLUMN shown TEXT AS ('Eve')",
    "default": "ALTER TABLE person ADD COLUMN shown TEXT DEFAULT 'Eve'",
    "table without an index": "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE sql IS NULL",
}


def by_hand(path, statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(statements)


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_a_gallery_with_anything_but_its_own_tables_is_refused(path, statements):
    by_hand(path, statements)
    content = path.read_bytes()
    for create in (False, True):
        with pytest.raises(FacenetError, match="gallery is damaged"), open_gallery(path, network(), create=create):
            pass
    with pytest.raises(FacenetError, match="gallery is damaged"), open_gallery(path) as gallery:
        gallery.forget("p1")
    assert path.read_bytes() == content


def test_a_schema_that_is_no_text_is_damage(path):
    overwritten(path, path.read_bytes().index(b"CREATE TABLE person") + 8, b"\xff")
    with pytest.raises(FacenetError, match="gallery is damaged"), open_gallery(path, network()):
        pass


def test_a_schema_without_end_is_given_up(path):
    more = "".join(f"CREATE TABLE t{number} (x);" for number in range(1500))
    by_hand(path, f"BEGIN; {more}")
    with pytest.raises(FacenetError, match="interrupted"), open_gallery(path, network()):
        pass


def test_a_gallery_is_told_by_what_its_tables_are_and_not_by_what_is_remarked_there(tmp_path, monkeypatch):
    from components.verify import database

    path, remarked = tmp_path / "gallery.db", database._TABLES
    monkeypatch.setattr(database, "_TABLES", re.sub("--.*", "", remarked).replace("    ", " "))
    with open_gallery(path, network(), create=True) as made:
        made.add(entries(5))
    monkeypatch.setattr(database, "_TABLES", remarked)
    assert len(faces_of(path)) == 5


ABSURD = {
    "one number": "UPDATE face SET embedding = x'0000803f'",
    "one number among others": "UPDATE face SET embedding = x'0000803f' WHERE photo = '3.jpg'",
    "lengths that make up for each other": "UPDATE face SET embedding = substr(embedding, 5) WHERE photo = '3.jpg';"
    "UPDATE face SET embedding = CAST(embedding || x'00000000' AS BLOB) WHERE photo = '4.jpg'",
    "nothing": "UPDATE face SET embedding = x''",
    "a large embedding": "UPDATE face SET embedding = zeroblob(3000000)",
    "a long name": "UPDATE person SET name = hex(zeroblob(1000000)) WHERE name = 'p1'",
    "no width": "UPDATE model SET embedding_size = 0",
    "a huge width": "UPDATE model SET embedding_size = 2147483648",
    "a width beyond all": "UPDATE model SET embedding_size = 9223372036854775807",
    "another width": "UPDATE model SET embedding_size = 1",
    "a face of nobody": "UPDATE face SET person = 99",
    "somebody without a face": "INSERT INTO person VALUES (99, 'Eve')",
    "no network": "DELETE FROM model",
    "bytes that are no text": "UPDATE person SET name = CAST(x'ff' AS TEXT) WHERE name = 'p1'",
}


@pytest.mark.parametrize("statements", ABSURD.values(), ids=ABSURD)
def test_what_no_face_or_network_can_be_is_damage(path, statements):
    by_hand(path, statements)
    with pytest.raises(FacenetError, match="gallery is damaged"):
        faces_of(path)


def test_an_index_that_leaves_somebody_out_is_damage(path):
    """As a gallery is that was made to hide them."""
    with closing(sqlite3.connect(path)) as connection, connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_person_1'"
        (page,) = connection.execute(query).fetchone()
    start = (page - 1) * size + 3  # the number of its cells: https://www.sqlite.org/fileformat2.html#b_tree_pages
    overwritten(path, start, (2).to_bytes(2, "big"))
    with pytest.raises(FacenetError, match="gallery is damaged"):
        faces_of(path)


def test_an_empty_file_is_a_gallery_that_nobody_was_enrolled_in_yet(tmp_path):
    path = tmp_path / "gallery.db"
    path.touch()
    for who in (None, network()):
        with pytest.raises(UsageError, match="gallery is empty"), open_gallery(path, who):
            pass
    assert not path.stat().st_size
    with open_gallery(path, network(), create=True) as gallery:
        assert gallery.add(entries(3)).total_faces == 3


def test_a_drive_without_locks_is_named(path, monkeypatch):
    from components.verify import database

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(database, "_SECONDS_TO_WAIT", 0)
    with closing(sqlite3.connect(path)) as other:  # SQLite says the same of a lock and of no locks
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FacenetError, match="Does another program have it open"):
            faces_of(path)
        monkeypatch.setattr(fcntl, "lockf", refuse)
        with pytest.raises(FacenetError, match="drive without locks"):
            faces_of(path)


def test_what_is_no_gallery_is_refused_and_left_alone(tmp_path):
    database = tmp_path / "mine.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE mine (x)")
    text = tmp_path / "mine.txt"
    text.write_text("a text")
    noise = tmp_path / "mine.bin"
    noise.write_bytes(os.urandom(8192))
    for file, create in itertools.product((database, text, noise), (False, True)):
        content = file.read_bytes()
        with pytest.raises(UsageError, match="not a gallery"), open_gallery(file, network(), create=create):
            pass
        assert file.read_bytes() == content
    for missing in (tmp_path / "missing.db", tmp_path):
        with pytest.raises(UsageError, match="no gallery here"), open_gallery(missing, network()):
            pass
    assert not (tmp_path / "missing.db").exists()


def test_a_gallery_from_before_there_were_two_detectors_is_dlibs_and_told_from_another(tmp_path, capsys):
    path, first, blazefaces = tmp_path / "gallery.db", entries(4), network()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(database._FIRST_TABLES)
        connection.executescript(f"PRAGMA application_id = {database.APPLICATION_ID}; PRAGMA user_version = 1;")
        connection.execute("INSERT INTO model VALUES (?, ?)", (blazefaces.sha256, blazefaces.embedding_size))
        connection.execute("INSERT INTO person VALUES (1, 'p0')")
        connection.execute(
            "INSERT INTO face VALUES (?, 1, 'x.jpg', ?)", (first[0].face_id, first[0].embedding.tobytes())
        )
    with open_gallery(path, network()) as gallery:
        gallery.say_detectors()
        assert gallery.detectors() == {"dlib"} and len(gallery.people().embeddings) == 1
    assert not capsys.readouterr().err
    blazefaces = replace(blazefaces, crop=replace(blazefaces.crop, detector="blazeface"))
    with open_gallery(path, blazefaces, create=True) as gallery:
        assert gallery.add(first) == Added(faces=3, known=1, total_faces=4, total_people=3)
        gallery.say_detectors()
    assert re.search(r"gallery.db: .* dlib .* blazeface", capsys.readouterr().err)
    with open_gallery(path, network()) as gallery:
        assert gallery.detectors() == {"dlib", "blazeface"} and len(gallery.people().embeddings) == 4
    by_hand(path, "UPDATE face SET detector = 'eyes' WHERE detector = 'dlib'")
    with open_gallery(path, network()) as gallery, pytest.raises(FacenetError, match="damaged"):
        gallery.detectors()


def test_a_gallery_of_a_later_version_is_refused(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 6")
    with pytest.raises(UsageError, match="version 6; versions up to 5 are read"), open_gallery(path, network()):
        pass


def test_a_journal_that_names_another_file_does_not_remove_it(path, tmp_path):
    """So SQLite 3.40.1 does, with any file that its user may remove."""
    other = tmp_path / "other.txt"
    other.write_text("somebody's work")
    name, magic = str(other).encode(), bytes.fromhex("d9d505f920a163d7")
    header = (magic + struct.pack(">5I", 0, 0, path.stat().st_size // 4096, 512, 4096)).ljust(512, b"\0")
    named = struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name)) + magic
    journal = path.with_name("gallery.db-journal")
    journal.write_bytes(header + named)
    (path.with_name("link.db")).symlink_to(path)
    for place in (path, path.with_name("link.db")):
        with pytest.raises(FacenetError, match="-journal names another file"), open_gallery(place):
            pass
    assert other.exists()
    with closing(sqlite3.connect(path)) as connection:  # what it would have done
        connection.execute("SELECT * FROM person").fetchall()
    assert not other.exists()


@pytest.mark.parametrize("ending", ["-journal", "-wal"])
def test_a_pipe_beside_a_gallery_is_not_waited_for(path, ending):
    os.mkfifo(f"{path}{ending}")
    with pytest.raises(FacenetError, match="is no file"), open_gallery(path):
        pass

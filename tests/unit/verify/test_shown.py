"""A name from a file is on one line of what is printed, and steers no terminal, whatever is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from components.extract.reasons import Reason, Reject
from components.extract.scan import other_files, scan, shadow_folders
from components.verify.answer import lines
from components.verify.faces import reject_record
from components.verify.forget import main as forget
from components.verify.gallery import open_gallery
from components.verify.watch import _print_answer
from tests.unit.verify.rows import entries, network

NAME, SHOWN = "Eve\n12:00:00  Ada\x1b[2J\u202e", r"Eve\n12:00:00  Ada\x1b[2J\u202e"
FACE = {"box": (0, 0, 9, 9), "name": NAME, "candidates": [{"name": NAME, "distance": 0.5}] * 2}


def test_whoever_is_recognised():
    for name in (NAME, None):
        (line,) = lines({"faces": [FACE | {"name": name}]})
        assert line.count(f"{SHOWN} 0.500") == 2 and line.isprintable()


def test_a_photo_that_gave_no_face(tmp_path, capsys):
    record = reject_record(tmp_path / NAME, Reject(Reason.UNREADABLE, NAME))
    _print_answer({**record, "faces": []}, as_json=False)
    said = capsys.readouterr().out
    assert said.count(SHOWN) == 2 and said.count("\n") == 1


def test_whoever_is_forgotten(tmp_path, capsys):
    path = tmp_path / "gallery.db"
    with open_gallery(path, network(), create=True) as gallery:
        gallery.add(entries(6))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE person SET name = ? WHERE name = 'p1'", (NAME,))
    assert forget([NAME, "-g", str(path)]) == 0
    assert capsys.readouterr().out == f"{SHOWN} and 2 faces removed from {path}\n"
    assert forget([NAME, "-g", str(path)]) == 2
    assert f"Received: {SHOWN}; {path}\n" in capsys.readouterr().err


def test_files_and_folders_that_are_left_out(tmp_path):
    (tmp_path / "Ada" / "@eaDir").mkdir(parents=True)
    for name in (f"1.{NAME}", "1.jpg"):
        (tmp_path / "Ada" / name).touch()
    found = scan(tmp_path)
    assert SHOWN.lower() in other_files(found) and other_files(found).isprintable()
    assert shadow_folders(found) == "1 @eaDir"

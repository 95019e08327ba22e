import os
import sqlite3
from pathlib import Path

import pytest

from components.specification import code
from pipelines.local import content
from pipelines.local.content import TABLES, Contents


@pytest.fixture
def database():
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    return database


@pytest.fixture
def contents(database):
    return Contents(database)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "ada").mkdir(parents=True)
    (folder / "ada" / "1.jpg").write_bytes(b"one")
    (folder / "bob").mkdir()
    (folder / "bob" / "1.jpg").write_bytes(b"two")
    return folder


def test_a_file_has_the_sha256_of_its_bytes(contents, tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert contents.sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_copy_of_a_folder_has_the_same_hash(contents, folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    assert contents.sha256(folder) == contents.sha256(tmp_path / "copy")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "ada" / "1.jpg").write_bytes(b"own"),
        lambda folder: (folder / "ada" / "1.jpg").rename(folder / "ada" / "2.jpg"),
        lambda folder: (folder / "ada" / "1.jpg").unlink(),
        lambda folder: (folder / "ada" / "2.jpg").write_bytes(b""),
        lambda folder: (folder / "cy").mkdir(),
        lambda folder: (folder / "broken").symlink_to("nowhere"),
    ],
    ids=["bytes", "renamed", "removed", "added", "empty folder", "broken link"],
)
def test_any_change_in_a_folder_changes_its_hash(contents, folder, change):
    before = contents.sha256(folder)
    change(folder)
    assert contents.sha256(folder) != before


def test_exchanged_files_change_the_hash(contents, folder):
    before = contents.sha256(folder)
    (folder / "ada" / "1.jpg").write_bytes(b"two")
    (folder / "bob" / "1.jpg").write_bytes(b"one")
    assert contents.sha256(folder) != before


def test_an_unchanged_file_is_not_read_again(contents, database, folder, monkeypatch):
    monkeypatch.setattr(content, "_TOO_YOUNG_SECONDS", -60.0)
    before = contents.sha256(folder)
    assert database.execute("SELECT count(*) FROM content").fetchone() == (2,)
    database.execute("UPDATE content SET sha256 = 'remembered'")
    assert contents.sha256(folder) != before


def test_a_file_that_was_just_written_is_not_remembered(contents, database, folder):
    contents.sha256(folder)
    assert database.execute("SELECT count(*) FROM content").fetchone() == (0,)


def test_linked_folders_are_followed(contents, folder, tmp_path):
    (tmp_path / "linked").symlink_to(folder)
    assert contents.sha256(tmp_path / "linked") == contents.sha256(folder)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner").symlink_to(folder)
    before = contents.sha256(tmp_path / "outer")
    (folder / "bob" / "1.jpg").write_bytes(b"2")
    assert contents.sha256(tmp_path / "outer") != before


def test_a_link_to_a_folder_above_is_not_followed_but_counts(contents, folder, tmp_path):
    before = contents.sha256(folder)
    (folder / "ada" / "self").symlink_to(folder)
    (folder / "ada" / "above").symlink_to(folder.parent)
    linked = contents.sha256(folder)
    assert linked != before
    (folder.parent / "beside").touch()
    assert contents.sha256(folder) == linked


def test_a_name_that_is_not_unicode_is_no_obstacle(contents, folder):
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"x")
    before = contents.sha256(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"y")
    assert contents.sha256(folder) != before


def test_a_pipe_among_the_photos_is_not_waited_for(contents, folder):
    os.mkfifo(folder / "pipe.jpg")
    assert len(contents.sha256(folder)) == 64


def test_a_module_that_has_not_changed_is_not_parsed_again(contents, tmp_path, monkeypatch):
    file = tmp_path / "stage.py"
    file.write_text("from components.common import errors\n")
    os.utime(file, (1, 1))
    monkeypatch.setattr(content, "_TOO_YOUNG_SECONDS", -60)
    found = contents.names_in(file, "components.stage")
    assert found == {"components.common", "components.common.errors"}
    parsed = code.names_in
    monkeypatch.setattr(code, "names_in", lambda file, package: pytest.fail("parsed again"))
    assert contents.names_in(file, "components.stage") == found
    monkeypatch.setattr(code, "names_in", parsed)
    file.write_text("import components.page\n")
    assert contents.names_in(file, "components.stage") == {"components.page"}

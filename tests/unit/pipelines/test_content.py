import os
import sqlite3
from pathlib import Path

import pytest

from components.specification import code
from pipelines.cache import content
from pipelines.cache.content import TABLES, Contents


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


def test_what_is_written_while_it_is_hashed_is_not_remembered(contents, database, folder, monkeypatch):
    """A file of this moment is older than two seconds when a large folder is done, and may have been written since."""
    clock = iter(range(10**10, 10**10 + 100, 5))
    now = next(clock)
    for file in folder.rglob("*.jpg"):
        os.utime(file, (now, now))
    monkeypatch.setattr(content.time, "time", lambda: float(next(clock) - 5))
    contents.sha256(folder)
    assert database.execute("SELECT count(*) FROM content").fetchone() == (0,)


@pytest.mark.parametrize("name", ["x.ckpt-1.data-00000-of-00001", "x.ckpt-1.index", "x.ckpt-1.meta"])
def test_what_belongs_to_a_path_changes_its_hash(contents, tmp_path, name):
    for each in ("x.ckpt-1.data-00000-of-00001", "x.ckpt-1.index", "x.ckpt-1.meta"):
        (tmp_path / each).write_text("before")
    asked = [tmp_path / "x.ckpt-1", tmp_path / "x.ckpt-1.index"]
    before = [(contents.sha256(path), contents.touched(path)) for path in asked]
    (tmp_path / name).write_text("longer than before")
    for path, (sha256, touched) in zip(asked, before, strict=True):
        assert contents.sha256(path) != sha256
        assert contents.touched(path) != touched


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: photo.write_bytes(photo.read_bytes()),
        lambda photo: photo.with_name("2.jpg").touch() or photo.with_name("2.jpg").unlink(),
        lambda photo: photo.rename(photo.with_name("2.jpg")).rename(photo),
    ],
    ids=["written again", "another one came and went", "renamed and back"],
)
def test_what_was_written_to_was_touched_even_if_it_is_as_before(contents, folder, change):
    photo = folder / "ada" / "1.jpg"
    os.utime(photo, (1, 1))
    os.utime(photo.parent, (1, 1))
    sha256, touched = contents.sha256(folder), contents.touched(folder)
    assert contents.touched(folder) == touched
    change(photo)
    assert contents.sha256(folder) == sha256
    assert contents.touched(folder) != touched


def test_a_second_name_is_no_touch(contents, folder, tmp_path):
    """Collect links the parts of its input."""
    touched = contents.touched(folder)
    os.link(folder / "ada" / "1.jpg", tmp_path / "linked.jpg")
    assert contents.touched(folder) == touched


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

from __future__ import annotations

import subprocess

import pytest

from components.common.atomic import check_replaceable, link_or_copy, new_directory, write_file
from components.common.errors import UsageError


def test_a_folder_appears_whole_and_replaces_the_former_one(tmp_path):
    place = tmp_path / "deep" / "result"
    with new_directory(place, ["?"]) as folder:
        (folder / "a").write_text("1")
        assert not place.exists()
    with new_directory(place, ["?"]) as folder:
        (folder / "b").write_text("2")
        assert [file.name for file in place.iterdir()] == ["a"]
    assert [file.name for file in place.iterdir()] == ["b"]
    assert [file.name for file in place.parent.iterdir()] == ["result"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_former_folder_is_there_and_nothing_else(tmp_path, error):
    place = tmp_path / "result"
    with new_directory(place, ["?"]) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(error), new_directory(place, ["?"]) as folder:
        (folder / "h").write_text("half")
        raise error
    assert [file.name for file in tmp_path.rglob("*")] == ["result", "a"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "result").write_text("mine")
    with pytest.raises(UsageError, match="a file is in its place"), new_directory(tmp_path / "result", []):
        pass
    with pytest.raises(UsageError, match="cannot be made"), new_directory(tmp_path / "result" / "deeper", []):
        pass
    assert (tmp_path / "result").read_text() == "mine"


def test_a_mount_point_is_refused_before_anything_is_done(tmp_path):
    """A part of the same file system too, which the device's number does not tell."""
    (tmp_path / "part").mkdir()
    place = tmp_path / "a result"
    place.mkdir()
    mount = ["mount", "--bind", str(tmp_path / "part"), str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    try:
        with pytest.raises(UsageError, match="mount point"):
            check_replaceable(place, ["*"])
        with new_directory(place / "result", ["*"]) as folder:
            (folder / "a").touch()
        assert (place / "result" / "a").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_file_is_replaced_whole(tmp_path):
    write_file(tmp_path / "deep" / "file", "one")
    write_file(tmp_path / "deep" / "file", b"two")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["file"]
    assert (tmp_path / "deep" / "file").read_bytes() == b"two"


def test_long_names_fit(tmp_path):
    with new_directory(tmp_path / ("n" * 255), []) as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / ("n" * 255) / "a").read_text() == "1"


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "grandma.jpg").write_text("dear")
    with pytest.raises(UsageError, match=r"grandma\.jpg"), new_directory(tmp_path / "photos", ["part-*"]):
        pass
    assert (tmp_path / "photos" / "grandma.jpg").read_text() == "dear"
    (tmp_path / "empty").mkdir()
    with new_directory(tmp_path / "empty", ["part-*"]) as folder:
        (folder / "part-1").write_text("1")
    assert (tmp_path / "empty" / "part-1").exists()


def test_a_second_name_costs_no_second_copy_where_the_file_system_has_links(tmp_path):
    (tmp_path / "a").write_text("1")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "a").stat().st_ino


def test_without_links_it_is_a_copy(tmp_path, monkeypatch):
    def refuse(place, file):
        raise PermissionError(1, "Operation not permitted")  # what FAT answers

    monkeypatch.setattr(type(tmp_path), "hardlink_to", refuse)
    (tmp_path / "a").write_text("1")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "1"
    assert (tmp_path / "b").stat().st_ino != (tmp_path / "a").stat().st_ino

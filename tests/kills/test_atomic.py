"""The two ways in which everything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.common import atomic
from components.common.atomic import FORMER, new_directory, put_back, write_file


def write(place: Path, names: str) -> None:
    write_file(place / "file", names)


def replace(place: Path, names: str) -> None:
    with new_directory(place / "result", ["?"]) as folder:
        for name in names:
            (folder / name).write_text(name)


def replace_without_exchange(place: Path, names: str) -> None:
    atomic._exchanged = lambda one, other: False  # as a file system does that cannot; in the process that is killed
    replace(place, names)


def content(place: Path) -> str:
    file, folder = place / "file", place / "result"
    if file.exists():
        return file.read_text()
    return "".join(sorted(path.read_text() for path in folder.iterdir())) if folder.exists() else ""


@pytest.mark.parametrize("command", [write, replace])
@pytest.mark.parametrize("former", ["", "abc"])
def test_there_is_the_former_content_or_the_new_one(kills, tmp_path, command, former):
    start = tmp_path / "start"
    start.mkdir()
    if former:
        command(start, former)

    def check() -> None:
        assert content(kills.folder) in (former, "bcd")
        command(kills.folder, "bcd")
        assert content(kills.folder) == "bcd"

    kills.at_every_point(start, check, command, kills.folder, "bcd")


@pytest.mark.parametrize("after", ["who writes next", "who clears"])
def test_where_folders_cannot_change_places_the_former_one_is_put_back(kills, tmp_path, after):
    replace(tmp_path / "start", "abc")

    def check() -> None:
        if after == "who clears":
            put_back(kills.folder.glob(f".*{FORMER}"))
        else:
            with pytest.raises(KeyError), new_directory(kills.folder / "result", ["?"]):
                raise KeyError
        assert content(kills.folder) in ("abc", "bcd")

    kills.at_every_point(tmp_path / "start", check, replace_without_exchange, kills.folder, "bcd")

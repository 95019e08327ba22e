"""The sample as files: whole, repeatable, drawn once, and never over somebody's folder."""

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.common.errors import FacenetError, UsageError
from components.sample.__main__ import main
from components.sample.folder import RECORD, draw


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "photos"
    assert draw(folder, identities=3, photos=2, seed=5, workers=1) == 6
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.jpg")
    }


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def own_copy(small: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    draw(folder, identities=3, photos=2, seed=5, workers=1)
    assert contents(folder) == contents(small)
    return folder


def test_a_folder_per_person_and_nothing_else_that_shows(small):
    assert sorted(path.name for path in small.iterdir() if not path.name.startswith(".")) == [
        "person-00000",
        "person-00001",
        "person-00002",
    ]
    assert sorted(contents(small))[:2] == ["person-00000/00.jpg", "person-00000/01.jpg"]
    assert [path.name for path in small.parent.iterdir()] == ["photos"]


def test_same_bytes_for_the_same_seed_and_any_number_of_workers(small, tmp_path):
    assert draw(tmp_path / "again", identities=3, photos=2, seed=5, workers=2) == 6
    assert contents(tmp_path / "again") == contents(small)


def test_another_seed_draws_other_photos(small, tmp_path):
    draw(tmp_path / "other", identities=1, photos=2, seed=6, workers=1)
    assert not set(contents(tmp_path / "other").values()) & set(contents(small).values())


def test_all_photos_differ(small):
    assert len(set(contents(small).values())) == 6


def test_a_larger_sample_contains_the_smaller_one(small, tmp_path):
    draw(tmp_path / "larger", identities=4, photos=3, seed=5, workers=1)
    larger = contents(tmp_path / "larger")
    assert len(larger) == 12
    assert contents(small).items() <= larger.items()


def test_a_second_call_touches_nothing_and_says_so(small, capsys):
    before = times(small)
    assert main(["-o", str(small), "--identities", "3", "--photos", "2", "--seed", "5"]) == 0
    assert times(small) == before
    assert "already there" in capsys.readouterr().out.lower()


def test_missing_photos_are_drawn_again(small, tmp_path):
    folder = own_copy(small, tmp_path)
    (folder / "person-00001" / "00.jpg").unlink()
    assert draw(folder, identities=3, photos=2, seed=5, workers=1) == 6
    assert contents(folder) == contents(small)


def test_a_sample_of_other_code_is_drawn_again(small, tmp_path):
    folder = own_copy(small, tmp_path)
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({**record, "code": "of last year"}))
    assert draw(folder, identities=3, photos=2, seed=5, workers=1) == 6


@pytest.mark.parametrize("name", ["notes.txt", "person-00000/holiday.jpg", "me/1.jpg"])
def test_a_folder_with_a_file_of_somebody_is_refused_and_left_alone(small, tmp_path, name):
    folder = own_copy(small, tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"mine")
    before = times(folder)
    with pytest.raises(UsageError, match="not drawn here"):
        draw(folder, identities=3, photos=2, seed=5)
    assert times(folder) == before


def test_a_changed_photo_is_refused(small, tmp_path):
    folder = own_copy(small, tmp_path)
    (folder / "person-00002" / "01.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="person-00002/01"):
        draw(folder, identities=3, photos=2, seed=5)


def test_photos_without_a_record_are_refused(small, tmp_path):
    folder = own_copy(small, tmp_path)
    (folder / RECORD).write_text("[")
    with pytest.raises(UsageError, match="not drawn here"):
        draw(folder, identities=3, photos=2, seed=5)


def test_another_sample_is_refused(small):
    with pytest.raises(UsageError, match="--seed 6"):
        draw(small, identities=3, photos=2, seed=6)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "photos").write_text("mine")
    with pytest.raises(UsageError, match="a file is in its place"):
        draw(tmp_path / "photos", identities=1, photos=1, seed=0)
    assert (tmp_path / "photos").read_text() == "mine"


def test_a_process_that_is_killed_is_named_and_leaves_nothing(children, tmp_path):
    def kill_one():
        # Of both: Python 3.11's pool waits for ever for a process that it starts while another one dies.
        while len(drawing := children()) < 2:
            time.sleep(0.01)
        drawing.pop().kill()

    with ThreadPoolExecutor() as beside, pytest.raises(FacenetError, match="A process that draws photos died"):
        beside.submit(kill_one)
        draw(tmp_path / "photos", identities=4, photos=1, seed=0, workers=2)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "photos").mkdir()
    assert draw(tmp_path / "photos", identities=1, photos=1, seed=0) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--identities", "0"], "--identities is too small"),
        (["--photos", "-3"], "--photos is too small"),
        (["--seed", "-1"], "--seed is too small"),
        (["--identities", "many"], "many"),
        (["--idenities", "3"], "idenities"),
    ],
)
def test_wrong_flags_exit_with_2_and_a_message(tmp_path, flags, message):
    command = [sys.executable, "-m", "components.sample", "-o", str(tmp_path / "photos"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())

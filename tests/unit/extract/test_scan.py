from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.errors import UsageError
from components.common.formats import ENDINGS
from components.common.shard import Shard
from components.extract.reasons import Reason
from components.extract.scan import identity_of, part, scan
from tests.conftest import REPOSITORY

NFC, NFD = "Zo\u00eb", "Zoe\u0308"  # two ways to write one name


def touch(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_photos_of_any_letter_case_in_nested_folders_count_in_order(tmp_path):
    touch(tmp_path, "b/2.JPG", "b/1.jpeg", "a/deep/er/x.PnG", "a/y.gif")
    found = scan(tmp_path)
    assert found.photos == ["a/deep/er/x.PnG", "a/y.gif", "b/1.jpeg", "b/2.JPG"]
    assert [identity_of(path) for path in found.photos] == ["a", "a", "b", "b"]


def test_other_files_are_counted_by_suffix_and_hidden_ones_are_counted_too(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/1.mov", "notes.TXT", "b.txt", "a/README", "a/.1.jpg", ".git/2.jpg")
    found = scan(tmp_path)
    assert found.photos == ["a/1.jpg"]
    assert found.other == {".txt": 2, ".mov": 1, "": 1}
    assert found.hidden == 2


def test_a_photo_beside_the_identity_folders_is_rejected_as_loose(tmp_path):
    touch(tmp_path, "a/1.jpg", "who.jpg")
    found = scan(tmp_path)
    assert found.photos == ["a/1.jpg"]
    assert {path: reject.reason for path, reject in found.rejects.items()} == {"who.jpg": Reason.LOOSE}


def test_only_loose_photos_are_wrong_use_and_the_layout_is_explained(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(UsageError, match=r"(?s)nothing says whom.*2 photos.*Ada Lovelace/1\.jpg"):
        scan(tmp_path)


def test_a_folder_of_people_seen_from_one_too_high_is_wrong_use(tmp_path):
    touch(tmp_path, "people/a/1.jpg", "people/b/1.jpg", "people/b/2.jpg")
    with pytest.raises(UsageError) as error:
        scan(tmp_path)
    assert "one person" in str(error.value)
    assert "3 photos in 2 folders of people" in str(error.value)
    assert f"give {tmp_path / 'people'} instead" in str(error.value)
    assert len(scan(tmp_path / "people").photos) == 3
    touch(tmp_path, "people/1.jpg")  # one person, with some photos sorted further
    assert len(scan(tmp_path).photos) == 4


@pytest.mark.parametrize(
    "folders",
    [
        ["train/a", "train/b", "test/a"],  # ImageFolder
        ["Train/n1", "Train/n2", "Test/n3", "val/n4"],  # VGGFace2
        ["actors/a", "actors/b", "actors/c", "actresses/d", "actresses/e"],  # FaceScrub
        ["1/x/a", "1/x/b", "1/y/c", "1/z/d"],
    ],
)
def test_people_one_folder_too_low_are_wrong_use(tmp_path, folders):
    touch(tmp_path, *(f"{folder}/{number}.jpg" for folder in folders for number in range(2)))
    with pytest.raises(UsageError, match="All photos lie in folders of"):
        scan(tmp_path)
    touch(tmp_path, f"{folders[0].partition('/')[0]}/0.jpg")  # then it is a person, as the advice says
    assert len(scan(tmp_path).photos) == 2 * len(folders) + 1


def test_photos_of_people_that_are_sorted_further_are_theirs(tmp_path):
    people = [f"{person:03d}" for person in range(3)]  # as CFP
    touch(tmp_path, *(f"{person}/{view}/1.jpg" for person in people for view in ("frontal", "profile", "a", "b")))
    touch(tmp_path, "Ada/2019/1.jpg", "Ada/2020/1.jpg", "Ada/2021/1.jpg", "Ada/2022/1.jpg")
    assert len(scan(tmp_path).photos) == 16


@pytest.mark.parametrize("people", [["Ada"], ["Ada", "Bob"]])
def test_albums_by_date_are_those_of_the_person_above_them(tmp_path, people):
    albums = [f"{person}/{2000 + 10 * number + year}" for number, person in enumerate(people) for year in range(9)]
    touch(tmp_path, *(f"{album}/1.jpg" for album in albums), f"{people[0]}/1998-05 Rome/1.jpg")
    assert {identity_of(path) for path in scan(tmp_path).photos} == set(people)
    touch(tmp_path, *(f"{people[0]}/{name}/1.jpg" for name in "abc"))  # these may be people
    with pytest.raises(UsageError, match=r"put a photo into .*Ada itself"):
        scan(tmp_path)


def test_photos_have_the_endings_that_phones_and_disks_hold(tmp_path):
    touch(tmp_path, *(f"a/1{ending.upper()}" for ending in ENDINGS))
    assert {"jfif", "jpe", "webp", "avif", "heic", "heif", "tif", "tiff", "bmp", "jp2"} < {one[1:] for one in ENDINGS}
    assert len(scan(tmp_path).photos) == len(ENDINGS) == len(set(ENDINGS))


def test_folders_of_copies_are_left_out_and_counted(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "b/@eaDir/2.jpg", "b/2.jpg")
    touch(tmp_path, "__MACOSX/a/1.jpg", "#recycle/c/1.jpg", "b/Thumbs.jpg")
    found = scan(tmp_path)
    assert found.photos == ["a/1.jpg", "b/2.jpg", "b/Thumbs.jpg"]
    assert found.shadows == {"@eaDir": 2, "__MACOSX": 1, "#recycle": 1}
    with pytest.raises(UsageError, match="left out: 1 @eaDir"):
        touch(tmp_path, "c/none/@eaDir/1.jpg")
        scan(tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "no such photo folder"),
        ("a.jpg", "not a file"),
        ("empty", "no photos in this folder"),
    ],
)
def test_what_is_no_photo_folder_is_wrong_use(tmp_path, name, message):
    touch(tmp_path, "a.jpg")
    (tmp_path / "empty" / "person").mkdir(parents=True)
    with pytest.raises(UsageError, match=message):
        scan(tmp_path / name)


def test_a_folder_of_other_files_says_which(tmp_path):
    touch(tmp_path, "a/1.mov", "a/2.mov")
    with pytest.raises(UsageError, match=r"2 \.mov"):
        scan(tmp_path)


def test_pipes_and_broken_links_named_like_photos_are_rejected_unopened(tmp_path):
    touch(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    (tmp_path / "a" / "broken.jpg").symlink_to("nothing")
    (tmp_path / "a" / "self.jpg").symlink_to("self.jpg")
    found = scan(tmp_path)
    assert found.photos == ["a/1.jpg"]
    assert set(found.rejects) == {"a/pipe.jpg", "a/broken.jpg", "a/self.jpg"}
    assert {reject.reason for reject in found.rejects.values()} == {Reason.NOT_A_FILE}


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "elsewhere/1.jpg", "photos/a/1.jpg")
    (tmp_path / "photos" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "a" / "again").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "c").symlink_to(tmp_path)  # above the photos: they would be c's too
    found = scan(tmp_path / "photos")
    assert found.photos == ["a/1.jpg", "b/1.jpg"]
    assert sorted(found.loops) == ["a/again", "c"]


SHOW = """
import sys
from pathlib import Path
from components.extract.scan import scan
from pipelines.cache.content import TABLES, Contents
import sqlite3
root = Path(sys.argv[1])
found = scan(root)
print((found.photos, {path: (reject.reason.value, reject.detail) for path, reject in found.rejects.items()}))
database = sqlite3.connect(":memory:")
database.executescript(TABLES)
print(Contents(database).sha256(root))
"""


def test_a_folder_that_may_not_be_looked_into_is_listed_and_the_others_are_taken(tmp_path, powerless):
    touch(tmp_path, "a/1.jpg", "b/1.jpg", "private/1.jpg", "a/deep/2.jpg")
    show = [*powerless, sys.executable, "-c", SHOW, str(tmp_path)]
    for folder in ("private", "a/deep"):
        (tmp_path / folder).chmod(0)
    done = subprocess.run(show, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    shown, sha256 = done.stdout.splitlines()
    photos, rejects = ast.literal_eval(shown)
    assert photos == ["a/1.jpg", "b/1.jpg"]
    refused = ("unreadable", "a folder; the system refused: Permission denied")
    assert rejects == {"private": refused, "a/deep": refused}
    (tmp_path / "private").chmod(0o755)
    assert subprocess.run(show, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()[-1] != sha256
    (tmp_path / "a/deep").chmod(0o755)


def test_a_folder_that_is_gone_by_the_time_is_nothing(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    real = os.scandir

    def scandir(folder):
        if folder != tmp_path:
            return real(folder)
        entries = list(real(folder))
        shutil.rmtree(tmp_path / "b")
        return entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert scan(tmp_path).photos == ["a/1.jpg"]


def test_a_name_that_is_not_utf8_is_rejected_with_a_name_that_can_be_written(tmp_path):
    touch(tmp_path, "a/1.jpg")
    try:
        touch(tmp_path, b"a/caf\xe9.jpg")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = scan(tmp_path)
    assert {path: reject.reason for path, reject in found.rejects.items()} == {"a/caf\\xe9.jpg": Reason.BAD_NAME}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_both_of_unicodes_forms_of_a_name_are_one_person_in_one_part(tmp_path, count):
    touch(tmp_path, f"{NFD}/1.jpg", f"{NFC}/2.jpg", "Zoe/3.jpg", "Zof/4.jpg", f"{NFD}/5.jpg")
    whole = scan(tmp_path)
    assert all((tmp_path / path).is_file() for path in whole.photos)  # as on the disk
    assert [identity_of(path) for path in whole.photos] == ["Zoe", "Zof", NFC, NFC, NFC]
    parts = [part(whole, Shard(number, count)).photos for number in range(1, count + 1)]
    assert [path for one in parts for path in one] == whole.photos
    assert sum(any(identity_of(path) == NFC for path in one) for one in parts) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_the_parts_of_a_folder_are_the_whole_and_nobody_is_in_two(tmp_path, count):
    # "Ada B" sorts between two photos of nobody, and before "Ada/": a name that another one begins with.
    names = [f"{person}/{photo}.jpg" for person in ("Ada", "Ada B", "Grace", "b") for photo in range(5)]
    touch(tmp_path, *names, "Grace/deep/1.png", "loose.jpg", "Alan/1.gif", b"Ada/\xff.jpg")
    (tmp_path / "Ada" / "none.jpg").symlink_to("nowhere")
    whole = scan(tmp_path)
    parts = [part(whole, Shard(number, count)) for number in range(1, count + 1)]
    assert [path for one in parts for path in one.photos] == whole.photos
    assert [path for one in parts for path in one.rejects] == sorted(whole.rejects)
    people = [{identity_of(path) for path in [*one.photos, *one.rejects]} for one in parts]
    assert sum(map(len, people)) == len(set.union(*people))
    if count > 7:
        assert any(not one.photos and not one.rejects for one in parts)

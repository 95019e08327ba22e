from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from components.verify.cluster import main


@pytest.fixture(scope="module")
def unnamed(people, tmp_path_factory):
    """Three pictures of one person that differ by a pixel, one of another, and one of nobody; names say nothing."""
    folder = tmp_path_factory.mktemp("unnamed")
    first, second = (people[name][0] for name in list(people)[:2])
    with Image.open(first) as picture:
        for number in range(3):
            copy = picture.convert("RGB")
            copy.putpixel((0, 0), (number, 0, 0))
            place = folder / f"f{number}"
            place.mkdir()
            copy.save(place / "same-name.png")
    (folder / "d.jpg").write_bytes(second.read_bytes())
    Image.new("RGB", (200, 200), "green").save(folder / "z.png")
    return folder


def test_photos_are_sorted_into_people_the_largest_group_first(unnamed, model, capsys):
    assert main([str(unnamed), "-c", str(model), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Counter(face["person"] for face in told["faces"]) == {"person-001": 3, "person-002": 1}
    assert {Path(face["photo"]).name for face in told["faces"][:3]} == {"same-name.png"}
    assert [each["reason"] for each in told["rejected"]] == ["no-face"]
    assert main([str(unnamed), "-c", str(model)]) == 0
    assert "4 faces in 5 photos: 2 people, 1 of them seen once" in capsys.readouterr().out


def test_the_photos_are_copied_into_folders_to_name(unnamed, model, tmp_path, capsys):
    output = tmp_path / "people"
    for _ in range(2):  # a former result is replaced
        assert main([str(unnamed), "-c", str(model), "-o", str(output)]) == 0
    copies = {folder.name: [file.read_bytes() for file in folder.iterdir()] for folder in output.iterdir()}
    originals = [photo.read_bytes() for photo in unnamed.glob("f*/*")]
    assert sorted(copies["person-001"]) == sorted(originals)
    assert copies["person-002"] == [(unnamed / "d.jpg").read_bytes()]
    (output / "mine.txt").write_text("mine")
    assert main([str(unnamed), "-c", str(model), "-o", str(output)]) == 2
    assert (output / "mine.txt").read_text() == "mine"


def test_a_folder_without_photos_or_faces_is_said(model, unnamed, tmp_path, capsys):
    assert main([str(tmp_path), "-c", str(model)]) == 2
    assert main([str(unnamed / "z.png"), "-c", str(model)]) == 1
    said = capsys.readouterr().err
    assert "no photos in this folder" in said and "no-face" in said


def test_what_is_said_once_is_kept_for_the_next_time(unnamed, model, tmp_path, capsys):
    photos = tmp_path / "photos"
    shutil.copytree(unnamed, photos)
    kept = tmp_path / "kept.json"
    flags = [str(photos), "-c", str(model), "--corrections", str(kept)]
    same, *others = (str(photos / f"f{number}/same-name.png") for number in range(3))
    assert main([*flags, "--different", same, *others, "--same", same, str(photos / "d.jpg")]) == 0
    assert "one person 1 time, different people 1 time\n4 faces in 5 photos: 3 people" in capsys.readouterr().out
    (photos / "d.jpg").rename(photos / "renamed.jpg")
    Path(others[0]).unlink()
    assert main([*flags, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (first,) = (face["person"] for face in told["faces"] if face["photo"] == same)
    assert [face["photo"] for face in told["faces"] if face["person"] == first] == [same, str(photos / "renamed.jpg")]
    missing = [{"photo": others[0], "detail": "not among these photos"}]
    assert told["corrections"] == {"file": str(kept), "same": 1, "different": 1, "missing": missing}
    before = kept.read_bytes()
    assert main([*flags, "--same", same, others[1]]) == 2
    assert f"{same} ≠ {others[1]}" in capsys.readouterr().err and kept.read_bytes() == before


def test_the_groups_are_measured_against_folders_that_are_named(unnamed, people, model, tmp_path, capsys):
    first, second = list(people)[:2]
    of_first = [unnamed / f"f{number}/same-name.png" for number in range(2)]
    for name, photos in ((first, of_first), (second, people[second])):
        (tmp_path / name).mkdir()
        for number, photo in enumerate(photos):
            (tmp_path / name / f"{number}{photo.suffix}").write_bytes(photo.read_bytes())
    with Image.open(people[first][0]) as one, Image.open(people[second][0]) as other:
        group = Image.new("RGB", (one.width + other.width, max(one.height, other.height)), "grey")
        group.paste(one, (0, 0))
        group.paste(other, (one.width, 0))
    group.save(tmp_path / first / "group.png")
    assert main([str(tmp_path), "-c", str(model), "--named", "--threshold", "2"]) == 0
    shown = capsys.readouterr().out
    assert "precision and recall: 0.500 and 1.000 (B-cubed), 0.333 and 1.000 (pairs), of 4 faces of 2 people" in shown
    assert "2 in photos of several faces left out" in shown

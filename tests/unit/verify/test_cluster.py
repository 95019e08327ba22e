from __future__ import annotations

import json
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

"""enroll, identify and forget."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from PIL import Image, ImageEnhance

from components.verify.enroll import main as enroll
from components.verify.forget import main as forget
from components.verify.identify import main as identify
from components.verify.listing import list_people
from components.verify.verify import main as verify


def told(command, *flags, code=0, capsys=None):
    assert command([*map(str, flags), "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="session")
def group(people, tmp_path_factory):
    """A photo of the first, the last and the second of the people, from left to right; the last is not enrolled."""
    names = list(people)
    shown = [names[0], names[-1], names[1]]
    pictures = [Image.open(people[name][0]).convert("RGB") for name in shown]
    height = max(picture.height for picture in pictures)
    photo = Image.new("RGB", (sum(picture.width for picture in pictures), height), "grey")
    left = 0
    for picture in pictures:
        photo.paste(picture, (left, 0))
        left += picture.width
    path = tmp_path_factory.mktemp("group") / "group.png"
    photo.save(path)
    return path, shown


def test_every_face_of_a_photo_gets_its_name_and_a_stranger_none(model, enrolled, group, capsys):
    photo, (first, _, second) = group
    flags = [photo, "-g", enrolled, "-c", model, "--top", 2]
    (record,) = told(identify, *flags, capsys=capsys)["photos"]
    assert [face["name"] for face in record["faces"]] == [first, None, second]
    lefts = [face["box"][0] for face in record["faces"]]
    assert lefts == sorted(lefts)
    for face in record["faces"]:
        distances = [each["distance"] for each in face["candidates"]]
        assert len(distances) == 2 and distances == sorted(distances)
        assert (face["name"] is None) == (distances[0] > 0.45)
    assert identify(list(map(str, flags))) == 0
    said = capsys.readouterr().out
    assert said.count("unknown  (nearest") == 1
    assert "10 of 100 strangers are called by a name: with 4 faces of 4 people enrolled, about 4." in said


def test_the_false_accept_rate_moves_the_threshold(model, enrolled, people, capsys):
    photo = people[next(iter(people))][1]  # another one than was enrolled
    for far, distance in ((0.001, 0.3), (0.1, 0.7)):
        answer = told(identify, photo, "-g", enrolled, "-c", model, "--far", far, capsys=capsys)
        assert answer["threshold"]["distance"] == distance
        nearest = answer["photos"][0]["faces"][0]
        assert (nearest["name"] is not None) == (nearest["candidates"][0]["distance"] <= distance)


def test_a_photo_without_a_face_is_said_among_others_and_fails_alone(model, enrolled, people, tmp_path, capsys):
    empty = tmp_path / "empty.png"
    Image.new("RGB", (200, 200), "green").save(empty)
    photo = people[next(iter(people))][0]
    records = told(identify, photo, empty, "-g", enrolled, "-c", model, capsys=capsys)["photos"]
    assert records[1]["reason"] == "no-face" and records[1]["faces"] == [] and len(records[0]["faces"]) == 1
    assert identify([str(empty), "-g", str(enrolled), "-c", str(model)]) == 1
    assert "no-face" in capsys.readouterr().err


def test_folders_of_people_are_enrolled_once_and_what_gives_no_single_face_is_listed(
    model, people, group, tmp_path, capsys
):
    for name in list(people)[:3]:
        (tmp_path / "people" / name).mkdir(parents=True)
        for photo in people[name]:
            (tmp_path / "people" / name / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "people" / next(iter(people)) / "group.png").write_bytes(group[0].read_bytes())
    flags = [tmp_path / "people", "-g", tmp_path / "new.db", "-c", model]
    first = told(enroll, *flags, capsys=capsys)
    assert (first["faces"], first["known"], first["total_faces"], first["total_people"]) == (6, 0, 6, 3)
    assert [each["reason"] for each in first["rejected"]] == ["several-faces"]
    again = told(enroll, *flags, capsys=capsys)
    assert (again["faces"], again["known"], again["total_faces"]) == (0, 6, 6)
    assert enroll(list(map(str, flags))) == 0
    said = capsys.readouterr().out
    assert "rejected: several-faces" in said and "it holds 6 faces of 3 people" in said


def test_pictures_are_kept_only_when_that_is_said_and_go_with_the_person(model, people, tmp_path, capsys):
    gallery, photos = tmp_path / "gallery.db", [paths[0] for paths in people.values()]
    flags = ["-g", str(gallery), "-c", str(model)]
    assert enroll([str(photos[0]), "--name", "Ada", *flags]) == 0
    assert enroll([str(photos[1]), "--name", "Bea", *flags, "--keep-pictures"]) == 0
    ada, bea = list_people(gallery).page
    assert (ada.kept, bea.kept) == (0, 1) and 0 < bea.worst <= 100
    assert enroll([str(photos[0]), "--name", "Ada", *flags, "--keep-pictures"]) == 0
    assert "0 faces added" in capsys.readouterr().out
    assert list_people(gallery).page[0].kept == 1
    assert forget(["Bea", "-g", str(gallery)]) == 0
    assert [one.name for one in list_people(gallery).page] == ["Ada"]


def test_a_poor_face_is_enrolled_with_a_word_and_a_worse_one_refused_with_it(model, people, tmp_path, capsys):
    photo, dark = people[next(iter(people))][0], tmp_path / "dark.png"
    with Image.open(photo) as picture:
        ImageEnhance.Brightness(picture).enhance(0.25).save(dark)
    flags = [dark, "--name", "Ada", "-g", tmp_path / "new.db", "-c", model]
    said = told(enroll, *flags, "--min_quality", 0, capsys=capsys)
    (poor,) = said["poor"]
    assert said["faces"] == 1 and poor["photo"] == str(dark) and poor["reasons"][0] == "too dark"
    assert enroll([*map(str, flags), "--min_quality", str(poor["quality"] + 1)]) == 1
    assert re.search(r"dark.png: quality \d+ of at least [\d.]+: too dark", capsys.readouterr().err)
    assert told(enroll, photo, *flags[1:], capsys=capsys)["poor"] == []
    assert enroll([*map(str, flags), "--min_quality", "101"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("name", ["Ada L.", "山田\u3000太郎", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"])
def test_a_folder_of_one_person_is_enrolled_under_a_name(name, model, sample_photos, people, tmp_path, capsys):
    folder = next(iter(people))
    enrolled = told(enroll, sample_photos / folder, "--name", name, "-g", tmp_path / "g.db", "-c", model, capsys=capsys)
    assert (enrolled["faces"], enrolled["total_people"]) == (4, 1)
    answer = told(identify, people[folder][0], "-g", tmp_path / "g.db", "-c", model, capsys=capsys)
    assert answer["photos"][0]["faces"][0]["candidates"][0]["name"] == name
    assert forget([name, "-g", str(tmp_path / "g.db")]) == 0


def test_many_photos_are_looked_at_by_several_processes_with_the_same_result(model, sample_photos, tmp_path, capsys):
    answers = []
    for cores in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.verify.faces.cores", lambda cores=cores: cores)
            gallery = tmp_path / f"{cores}.db"
            flags = [sample_photos / "person-00000", sample_photos / "person-00001", sample_photos / "person-00002"]
            enrolled = told(
                enroll, *flags, sample_photos / "person-00003", "--name", "x", "-g", gallery, "-c", model, capsys=capsys
            )
        assert enrolled["faces"] == 16
        answers.append(gallery.read_bytes())
    assert answers[0] == answers[1]


def test_another_networks_gallery_is_refused(unevaluated, enrolled, people, capsys):
    photo = str(people[next(iter(people))][0])
    flags = ["-g", str(enrolled), "-c", str(unevaluated)]
    assert identify([photo, *flags, "--threshold", "1"]) == 2
    assert enroll([photo, "--name", "x", *flags]) == 2
    assert capsys.readouterr().err.count("made by another network") == 2


def test_a_specification_that_changes_beside_a_model_makes_its_gallery_and_report_anothers(
    bare, people, tmp_path, capsys
):
    model, gallery, report = tmp_path / "bought.tflite", tmp_path / "g.db", tmp_path / "report"
    specification = {"format": 1, "preprocessing": {"crop": {"margin": 0.25, "alignment": "none"}}}
    model.write_bytes(bare)
    model.with_suffix(".json").write_text(json.dumps(specification))
    photo = str(people[next(iter(people))][0])
    flags = ["-g", str(gallery), "-c", str(model)]
    made_by = told(enroll, photo, "--name", "Ada", *flags, capsys=capsys)["model"]["sha256"]
    metrics = {"checkpoint_sha256": made_by, "val_at_far": [{"far": 0.01, "threshold": 0.5, "val": 0.9}]}
    report.mkdir()
    (report / "metrics.json").write_text(json.dumps(metrics))
    assert identify([photo, *flags]) == 0
    specification["preprocessing"]["colours"] = "BGR"
    model.with_suffix(".json").write_text(json.dumps(specification))
    assert identify([photo, *flags, "--threshold", "1"]) == 2
    assert "gallery was made by another network" in capsys.readouterr().err
    assert verify([photo, photo, "-c", str(model), "--report", str(report)]) == 2
    assert "report is about another network" in capsys.readouterr().err
    assert verify([photo, photo, "-c", str(model)]) == 2
    assert "No evaluation of this network was found" in capsys.readouterr().err


def test_a_forgotten_person_is_a_stranger(model, gallery, people, tmp_path, capsys):
    name = next(iter(people))
    copy, kept, other = (
        tmp_path / "copy.jpg",
        tmp_path / "kept.json",
        {"photo": "x.jpg", "sha256": "b", "box": [0, 0, 9, 9]},
    )
    copy.write_bytes(people[name][0].read_bytes())
    theirs = {**other, "photo": str(copy), "sha256": hashlib.sha256(copy.read_bytes()).hexdigest()}
    kept.write_text(json.dumps({"version": 1, "same": [], "different": [[theirs, other, {**other, "sha256": "c"}]]}))
    said = told(forget, name, "-g", gallery, "--corrections", kept, capsys=capsys)
    assert said == {"gallery": str(gallery), "name": name, "faces": 1, "corrections": {"file": str(kept), "faces": 1}}
    assert json.loads(kept.read_text())["different"] == [[other, {**other, "sha256": "c"}]]
    answer = told(identify, people[name][0], "-g", gallery, "-c", model, capsys=capsys)
    assert answer["photos"][0]["faces"][0]["name"] is None
    assert forget([name, "-g", str(gallery)]) == 2
    assert "Nobody of this name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "flags", "message"),
    [
        (identify, [], "Which photo"),
        (identify, ["x.jpg", "--top", "0"], "--top"),
        (identify, ["x.jpg", "-g", "missing.db"], "no gallery here"),
        (enroll, [], "nothing to enroll"),
        (enroll, ["{photo}"], "Nothing says whom"),
        (enroll, ["{photo}", "--name", "unknown"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", "a\nb"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", "a\u202eb"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", "a\u200bb"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", "山田\u3000"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", "\u200cAda"], "cannot be a person's name"),
        (enroll, ["{photo}", "--name", " "], "cannot be a person's name"),
        (enroll, ["missing", "--name", "x"], "no such photo or folder"),
        (enroll, ["{photo}", "--name", "x", "--detector", "blazeface"], "must be found by the detector"),
        (enroll, ["{folder}"], "directly in the folder"),
        (forget, ["x", "-g", "missing.db"], "no gallery here"),
    ],
)
def test_wrong_use_is_said(command, flags, message, model, people, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photo = people[next(iter(people))][0]
    given = [flag.format(photo=photo, folder=photo.parent) for flag in flags]
    network = [] if command is forget else ["-c", str(model)]
    assert command([*given, *network]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

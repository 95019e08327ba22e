from __future__ import annotations

import json

import pytest

from components.common.errors import UsageError
from components.verify.corrections import Corrections, KnownFaces, read_corrections, write_corrections
from components.verify.unsay import unsay

BOX = (10, 10, 50, 50)
RIGHT = (60, 10, 100, 50)


@pytest.fixture
def photos(tmp_path):
    """Photos a to e: what they show is not looked at."""
    made = {name: tmp_path / f"{name}.jpg" for name in "abcde"}
    for name, path in made.items():
        path.write_bytes(name.encode())
    return made


def known(*photos, boxes=(BOX,)):
    return KnownFaces([(photo, box) for photo in photos for box in boxes])


def said(faces, same=(), different=(), before=Corrections()):  # noqa: B008
    return before.with_more(*(tuple(faces.named(str(photo)) for photo in each) for each in (same, different)))


def test_what_was_said_is_found_after_renaming_and_for_every_copy(photos, tmp_path):
    a, b, c, *_ = photos.values()
    faces = known(a, b, c)
    write_corrections(tmp_path / "kept.json", said(faces, [a, b], [b, c]))
    kept = read_corrections(tmp_path / "kept.json")
    assert kept == said(faces, [a, b], [b, c])
    assert said(faces, [a, b], before=kept) == kept  # once is enough
    moved, copy = a.rename(tmp_path / "moved.jpg"), tmp_path / "copy.jpg"
    copy.write_bytes(b.read_bytes())
    faces = known(c, copy, moved, b)
    assert not faces.missing(kept)
    assert faces.pairs(kept) == ([(2, 1), (1, 3)], [(2, 0)])


def test_copies_of_a_photo_are_one_person_when_they_are_said_to_be_another(photos, tmp_path):
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(photos["a"].read_bytes())
    faces = known(photos["a"], copy, photos["b"])
    assert faces.pairs(said(faces, different=[copy, photos["b"]])) == ([(0, 1)], [(0, 2)])
    with pytest.raises(UsageError, match="contradicts itself"):
        faces.check(said(faces, different=[photos["a"], copy]))


def test_what_is_no_longer_there_is_told_and_kept(photos):
    a, b, c, *_ = photos.values()
    kept = said(known(a, b, c), [a, b, c])
    assert known(a, c).missing(kept) == {str(b): "not among these photos"}
    assert known(a, c).pairs(kept) == ([(0, 1)], [])
    assert known(a, b, c, boxes=[RIGHT]).missing(kept).keys() == {str(a), str(b), str(c)}
    shifted = (12, 8, 52, 48)  # as another detector draws it
    assert not known(a, b, c, boxes=[shifted, RIGHT]).missing(kept)


def test_what_follows_by_way_of_a_photo_that_is_no_longer_there_holds(photos):
    a, b, c, d, e = photos.values()
    every = known(*photos.values())
    kept = said(every, [c, d], [b, e], before=said(every, [a, b], before=said(every, [b, c])))
    assert known(a, d, e).pairs(kept) == ([(0, 1)], [(0, 2)])


def test_of_several_faces_it_must_be_said_which_is_meant(photos):
    a, b, *_ = photos.values()
    faces = known(a, b, boxes=[BOX, RIGHT])
    for unclear in (str(a), f"{a}#0", f"{a}#3", f"{a}#x"):
        with pytest.raises(UsageError, match="Which face") as error:
            faces.named(unclear)
        assert "#2 at 60,10 to 100,50" in str(error.value)
    assert faces.named(f"{a}#2").box == RIGHT
    assert faces.pairs(said(faces, [f"{a}#2", f"{b}#1"])) == ([(1, 2)], [])
    odd = a.rename(a.with_name("a#2"))  # a name is a name first
    assert known(odd).named(str(odd)).box == BOX


@pytest.mark.parametrize("left_out", ["", "b", "ac"])
def test_a_contradiction_is_told_by_name_also_about_photos_that_are_not_there(photos, left_out):
    a, former, c, d, e = photos.values()
    kept = said(known(*photos.values()), [a, former], [d, e])
    photos["b"] = b = former.rename(former.with_name("renamed.jpg"))
    kept = said(known(*photos.values()), [c, b], before=kept)
    there = known(*(photo for name, photo in photos.items() if name not in left_out))
    there.check(kept)
    with pytest.raises(UsageError) as error:
        there.check(said(known(*photos.values()), different=[e, a, c], before=kept))
    assert f"{a} ≠ {c}, but {a} = {former if left_out == 'b' else b}, {c} = {b}" in str(error.value)
    with pytest.raises(UsageError, match="one face"):
        there.check(said(known(*photos.values()), different=[a, a]))


def test_only_sorted_photos_can_be_named(photos, tmp_path):
    faces = known(photos["a"])
    for text, problem in ((photos["b"], "not among"), (tmp_path, "no such photo"), (tmp_path / "none#1", "no such")):
        with pytest.raises(UsageError, match=problem):
            faces.named(str(text))


MENTION = {"photo": "a.jpg", "sha256": "0" * 64, "box": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    "record",
    [
        *("[", "[]", "{}", {"version": 2, "same": [], "different": []}, {"version": 1, "same": []}),
        *({"version": 1, "same": [said], "different": []} for said in (1, [MENTION], [MENTION, {}])),
        *(
            {"version": 1, "same": [], "different": [[MENTION, {**MENTION, key: value}]]}
            for key, value in (
                ("photo", 1),
                ("sha256", None),
                ("box", [0, 0, 1]),
                ("box", [0, 0, 0, 1]),
                ("box", "abcd"),
            )
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(record, tmp_path):
    path = tmp_path / "kept.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    with pytest.raises(UsageError, match="cannot be read"):
        read_corrections(path)


def test_whoever_is_forgotten_leaves_what_was_said_with_all_that_show_the_same_person(photos, tmp_path):
    a, b, c, d, e = photos.values()
    file, faces = tmp_path / "kept.json", known(a, b, c, d, e)
    write_corrections(file, said(faces, [a, b], [b, d, e], said(faces, [c, b], before=said(faces, [d, e]))))
    whole = file.read_bytes()
    gone = unsay(file, lambda photo: photo == str(a), lambda face: False, dry_run=True)
    assert {face.photo for face in gone} == {str(a), str(b), str(c)} and file.read_bytes() == whole
    assert unsay(file, lambda photo: False, lambda face: face in gone) == gone
    assert read_corrections(file) == said(faces, [d, e], [d, e])
    assert not unsay(file, lambda photo: False, lambda face: face in gone)
    assert not unsay(tmp_path / "none.json", lambda photo: True, lambda face: True)


def test_another_face_on_a_photo_that_names_them_goes_and_leads_to_nobody_else(photos, tmp_path):
    a, b, c, *_ = photos.values()
    file, faces = tmp_path / "kept.json", known(a, b, c, boxes=(BOX, RIGHT))
    write_corrections(file, said(faces, [f"{a}#2", f"{b}#1", f"{c}#1"]))
    unsay(file, lambda photo: photo.startswith(str(a)), lambda face: face.shows(BOX) and face.photo.startswith(str(a)))
    assert read_corrections(file) == said(faces, [f"{b}#1", f"{c}#1"])

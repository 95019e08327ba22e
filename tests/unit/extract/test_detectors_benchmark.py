from __future__ import annotations

import hashlib

import pytest

from benchmarks.detectors import (
    CROPS,
    Face,
    Photo,
    Settings,
    below,
    detected,
    false_alarms,
    main,
    matched,
    read,
    score,
)
from components.common.errors import UsageError

HERE, THERE, SMALL = (0, 0, 100, 100), (300, 0, 400, 100), (500, 500, 540, 540)


def test_the_closest_boxes_are_a_pair_and_each_box_is_in_one():
    labelled = [Face(HERE), Face((10, 0, 110, 100)), Face(THERE)]
    found = [Face((12, 0, 112, 100)), Face((2, 0, 102, 100)), Face((350, 50, 450, 150))]
    assert matched(labelled, found) == {0: 1, 1: 0}


def test_a_detection_of_nothing_and_a_second_one_of_a_face_are_false_alarms():
    found = [Face((2, 0, 102, 100)), Face((8, 0, 108, 100)), Face((600, 0, 700, 100))]
    assert false_alarms(Photo(1000, [Face(HERE), Face(THERE)], found)) == 2


@pytest.mark.parametrize("box", [THERE, (280, 0, 420, 140), (350, 0, 450, 100)])
def test_finding_an_ignored_face_or_half_of_it_is_neither_right_nor_wrong(box):
    photo = Photo(1000, [Face(THERE, ignored=True)], [Face(box)])
    assert false_alarms(photo) == 0
    assert score([photo], "all").faces == 0


def test_turned_and_small_faces_are_counted_apart_and_eyes_measured_by_the_side_of_the_face():
    labelled = [Face(HERE, (20 + 30j, 60 + 30j), turned=True), Face(SMALL), Face(THERE)]
    found = [Face(HERE, (20 + 33j, 61 + 30j)), Face(THERE, (0j, 0j))]
    photos = [Photo(600, [], []), Photo(600, labelled, found)]
    counted = {kind: score(photos, kind) for kind in ("all", "turned", "small")}
    assert {kind: (each.found, each.faces) for kind, each in counted.items()} == {
        "all": (2, 3),
        "turned": (1, 1),
        "small": (0, 1),
    }
    assert counted["all"].errors == counted["turned"].errors == {(1, 0): pytest.approx(0.02)}


def test_labelled_photos_are_found_by_their_bytes_and_faces_scored(sample_photos, tmp_path, capsys):
    photo = min(sample_photos.rglob("*.jpg"))
    (face,) = detected(photo, CROPS["dlib"])
    right, left = face.eyes
    assert right.real < left.real
    x, y, side = face.box[0], face.box[1], face.box[2] - face.box[0]
    moved = f"{right.real + side / 20},{right.imag},{left.real},{left.imag - side / 20}"
    columns = "photo,x,y,width,height,right_eye_x,right_eye_y,left_eye_x,left_eye_y,turned,ignored"
    digits = hashlib.sha256(photo.read_bytes()).hexdigest()[:16]
    labels = tmp_path / "labels.csv"
    labels.write_text(f"{columns}\n{digits},{x},{y},{side},{side},{moved},no,no\n")
    assert main([str(sample_photos), "--labels", str(labels)]) == 0
    assert "| all | dlib | 1 of 1 | 5.0% | 5.0% | 0 in 1 photos |" in capsys.readouterr().out
    with pytest.raises(UsageError, match="without 1 of 1"):
        below(tmp_path, {digits})


def test_the_labels_have_eyes_in_their_faces():
    photos = read(Settings.labels)
    faces = [face for faces in photos.values() for face in faces]
    assert len(photos) >= 200
    assert any(face.turned for face in faces) and any(face.ignored for face in faces)
    for face in faces:
        x0, y0, x1, y1 = face.box
        assert x0 < x1 and y0 < y1
        assert all(x0 <= eye.real <= x1 and y0 <= eye.imag <= y1 for eye in face.eyes or ())

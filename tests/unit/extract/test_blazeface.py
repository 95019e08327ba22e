"""BlazeFace on drawn faces, and the meaning of its outputs against loops that spell it out."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from components.common.errors import UsageError
from components.common.preprocessing import Crop, pixels
from components.extract import blazeface
from components.extract.align import landmark_model
from components.extract.decode import Photo
from components.extract.photo import Extraction, faces_in
from components.extract.reasons import Reason

FOUND_BY_BLAZEFACE = Crop(0.25, "none", "blazeface")
GREY = (90, 110, 120)


def shared(box, other):
    """What two boxes (x0, y0, x1, y1) have in common, as a part of what both cover."""
    width, height = (min(box[axis + 2], other[axis + 2]) - max(box[axis], other[axis]) for axis in (0, 1))
    common = max(0, width) * max(0, height)
    return common / (sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (box, other)) - common)


def on_grey(size, *pasted):
    """A grey picture with others on it, each as (picture, width, place)."""
    whole = Image.new("RGB", size, GREY)
    for picture, width, place in pasted:
        whole.paste(picture.resize((width, round(width * picture.height / picture.width))), place)
    return whole


def test_outputs_are_measured_from_the_anchors_of_mediapipes_graph():
    rng = np.random.default_rng(0)
    regressors = rng.normal(scale=40, size=(896, 16)).astype(np.float32)
    logits = rng.normal(scale=100, size=896).astype(np.float32)
    expected = []
    row = 0
    for stride, layers in (
        (16, 1),
        (32, 3),
    ):  # num_layers: 4, strides: 16, 32, 32, 32; those of one stride share places
        for y in range(256 // stride):
            for x in range(256 // stride):
                for _ in range(2 * layers):  # aspect_ratios: 1.0, and interpolated_scale_aspect_ratio: 1.0
                    at = np.array([(x + 0.5) * stride, (y + 0.5) * stride])  # anchor_offset: 0.5
                    middle, size, *points = regressors[row].astype(float).reshape(8, 2)
                    score = 0.0 if logits[row] < -80 else 1 / (1 + math.exp(-float(logits[row])))
                    if score > 0.7 and min(size) > 0:
                        corners = [at + middle - size / 2, at + middle + size / 2]
                        expected.append((np.array([*corners, *(at + point for point in points)]) / 256, score))
                    row += 1
    assert row == 896 and len(expected) > 50
    faces, scores = blazeface.decode(regressors, logits, 0.7)
    np.testing.assert_allclose(faces, [face for face, _ in expected], atol=1e-5)
    np.testing.assert_allclose(scores, [score for _, score in expected], atol=1e-6)


def inside(box, other):
    """What part of a box is in another."""
    width, height = (min(box[axis + 2], other[axis + 2]) - max(box[axis], other[axis]) for axis in (0, 1))
    return max(0, width) * max(0, height) / ((box[2] - box[0]) * (box[3] - box[1]))


def test_faces_that_overlap_are_averaged_by_their_scores_and_parts_of_a_face_are_none():
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 100, (40, 1, 2))
    faces = np.concatenate([corner, corner + rng.uniform(10, 60, (40, 1, 2)), rng.uniform(0, 100, (40, 6, 2))], axis=1)
    scores = rng.permutation(np.linspace(0.5, 1, 40))
    left, expected = sorted(range(40), key=lambda i: -scores[i]), []
    dropped = []
    while left:
        same = [i for i in left if shared(faces[left[0]][:2].ravel(), faces[i][:2].ravel()) > 0.3]
        expected.append((sum(scores[i] * faces[i] for i in same) / sum(scores[same]), scores[left[0]]))
        parts = [i for i in left if inside(faces[i][:2].ravel(), faces[left[0]][:2].ravel()) > 0.5]
        dropped += [i for i in parts if i not in same]
        left = [i for i in left if i not in same + parts]
    found = list(blazeface.merged(faces, scores))
    assert dropped and 5 < len(found) == len(expected) < 40
    for (face, score), (wanted, best) in zip(found, expected, strict=True):
        np.testing.assert_allclose(face, wanted)
        assert score == best


def test_a_box_of_no_area_ends_the_search_too():
    assert len(list(blazeface.merged(np.ones((3, 8, 2)), np.array([0.7, 0.9, 0.8])))) == 1


def test_a_face_lies_where_dlib_sees_it_each_time_alike(portrait, encode):
    (own,), (dlibs,) = (
        faces_in(encode(portrait), Extraction("all", crop)) for crop in (FOUND_BY_BLAZEFACE, Crop(0.25, "none"))
    )
    assert shared(own.box, dlibs.box) > 0.6
    assert 0.65 < own.score < 1
    assert faces_in(encode(portrait), Extraction("all", FOUND_BY_BLAZEFACE)) == (own,)


@pytest.mark.parametrize("which", ["central", "all"])
def test_a_photo_without_a_face_is_rejected(which, encode):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8))
    for picture in (Image.new("RGB", (300, 200), "green"), noise, Image.new("RGB", (1, 1))):
        assert faces_in(encode(picture), Extraction(which, FOUND_BY_BLAZEFACE)).reason is Reason.NO_FACE


def test_two_faces_are_found_and_the_large_one_near_the_middle_is_taken(portrait, encode):
    group = encode(on_grey((900, 500), (portrait, 400, (0, 0)), (portrait, 250, (560, 100))))
    left, right = faces_in(group, Extraction("all", FOUND_BY_BLAZEFACE))
    assert left.box[2] < 400 < 560 < right.box[0]
    (taken,) = faces_in(group, Extraction("central", FOUND_BY_BLAZEFACE))
    assert shared(taken.box, left.box) > 0.8
    assert faces_in(group, Extraction("only", FOUND_BY_BLAZEFACE)).reason is Reason.SEVERAL_FACES


def test_small_faces_of_a_large_photo_are_found_each_once(portrait, encode):
    places = [(60 + 533 * column, 60 + 400 * row) for column in range(3) for row in range(3)]
    group = encode(on_grey((1600, 1200), *((portrait, 200, place) for place in places)))
    faces = faces_in(group, Extraction("all", FOUND_BY_BLAZEFACE))
    assert len(faces) == 9
    for face in faces:
        x0, y0, x1, y1 = face.box
        assert x1 - x0 < 1600 / 12
        assert sum(x < (x0 + x1) / 2 < x + 200 and y < (y0 + y1) / 2 < y + 250 for x, y in places) == 1


def test_a_small_face_is_found_too_where_there_is_no_large_one(portrait, encode):
    picture = on_grey((1600, 1200), (portrait, 100, (1000, 650)))
    _, seen_in_the_whole = blazeface._look(picture, (0, 0, *picture.size), blazeface.THRESHOLD)
    assert not len(seen_in_the_whole)
    (face,) = faces_in(encode(picture), Extraction("central", FOUND_BY_BLAZEFACE))
    assert face.box[0] > 1000 and face.box[1] > 650


@pytest.mark.parametrize("degrees", [-60, -40, 40, 60])
def test_a_turned_face_is_found_and_aligned_as_the_upright_one(degrees, portrait, encode):
    whole = on_grey((640, 640), (portrait, 280, (180, 150)))
    turned = whole.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=GREY)
    (face,) = blazeface.detect(Photo(encode(turned), 10**6), small=False)
    across = face.points[1] - face.points[0]
    assert abs(cmath.phase(across * cmath.rect(1, math.radians(degrees)))) < math.radians(15)
    extraction = Extraction("all", Crop(0.25, "dlib", "blazeface"))
    (upright,), (aligned,) = (faces_in(encode(picture, quality=95), extraction) for picture in (whole, turned))
    apart = np.abs(pixels(upright.image, 64).astype(float) - pixels(aligned.image, 64)).mean()
    unlike = np.abs(pixels(upright.image, 64).astype(float) - pixels(upright.image, 64)[::-1]).mean()
    assert apart < unlike / 2


@pytest.mark.parametrize("crop", [Crop(0.25, "dlib"), Crop(0, "arcface")], ids=str)
def test_an_upright_face_is_aligned_as_by_dlibs_landmarks(crop, portrait, encode):
    photo = encode(portrait.resize((portrait.width * 2, portrait.height * 2)), quality=95)
    (dlibs,) = faces_in(photo, Extraction("all", crop, landmark_model(None)))
    (own,) = faces_in(photo, Extraction("all", replace(crop, detector="blazeface")))
    eyes_apart = abs(dlibs.landmarks[0] - dlibs.landmarks[4])
    assert np.abs(np.subtract(own.landmarks, dlibs.landmarks)).max() < 0.15 * eyes_apart


def test_without_the_package_the_detector_is_asked_for(monkeypatch):
    monkeypatch.setattr(blazeface, "_MODULE", "no_such_package")
    with pytest.raises(UsageError, match="not installed here"):
        blazeface.name()


def test_a_damaged_model_is_said_to_be(monkeypatch, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"not a model")
    monkeypatch.setattr(blazeface, "_model_file", lambda: tmp_path / "model.tflite")
    with pytest.raises(UsageError, match="cannot read the model"):
        blazeface._model.__wrapped__()

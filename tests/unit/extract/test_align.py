from __future__ import annotations

import dlib
import numpy as np
import pytest
from PIL import Image, ImageFile

from components.common import dlib_models
from components.common.alignment import template
from components.common.errors import UsageError
from components.common.preprocessing import Crop, pixels
from components.extract.align import _landmarks, landmark_model
from components.extract.decode import Photo
from components.extract.photo import Extraction, faces_in

FIVE_POINTS = "0.35,0.4,0.65,0.4,0.5,0.57,0.38,0.75,0.62,0.75"  # a template of nobody's


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_what_is_no_landmark_model_is_wrong_use(tmp_path, content):
    path = tmp_path / "model.dat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="landmark model"):
        landmark_model(path)


def test_a_model_of_68_points_is_wrong_use():
    with pytest.raises(UsageError, match="of 68 points"):
        landmark_model(landmark_model(None).with_name("shape_predictor_68_face_landmarks.dat"))


def test_without_the_package_the_model_is_asked_for(monkeypatch):
    monkeypatch.setattr(dlib_models, "PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match="Alignment needs a landmark model"):
        landmark_model(None)


@pytest.mark.parametrize("crop", [Crop(0.25, "dlib"), Crop(0, "arcface"), Crop(0.1, FIVE_POINTS)], ids=str)
def test_an_aligned_face_has_its_eyes_level_and_its_points_at_the_templates_places(crop, portrait, encode):
    model = landmark_model(None)
    large = portrait.resize((portrait.width * 2, portrait.height * 2))
    tilted = large.rotate(8, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120))
    (first,) = faces_in(encode(tilted, quality=95), Extraction(crop=crop, landmarks=model))
    assert first.landmarks is not None
    # The points of the crop, found in it anew, lie where the template has them.
    (again,) = faces_in(first.image, Extraction(crop=crop, landmarks=model))
    assert again.landmarks is not None
    points = np.array(again.landmarks).reshape(5, 2) / first.width
    expected = (template(crop.alignment) + crop.margin * (1 + 1j)) / (1 + 2 * crop.margin)
    assert np.abs(points[:, 0] + 1j * points[:, 1] - expected).max() < 0.06


def test_landmarks_are_those_of_the_model_on_the_whole_picture(portrait):
    model = landmark_model(None)
    picture = Image.new("RGB", (900, 700), "grey")
    picture.paste(portrait, (250, 150))
    whole = dlib.shape_predictor(str(model))
    rng = np.random.default_rng(0)
    for side in (40, 150, 400):
        for left, top in rng.integers(-side // 3, (900 - side, 700 - side), (20, 2)).tolist():
            points = whole(np.asarray(picture), dlib.rectangle(left, top, left + side - 1, top + side - 1)).parts()
            expected = [point.x + 0.5 + (point.y + 0.5) * 1j for point in points]
            assert _landmarks(picture, (left, top, left + side, top + side), model).tolist() == expected


def test_a_photo_is_decoded_once_for_all_faces_of_a_size(portrait, encode, monkeypatch):
    photo = Photo(encode(portrait), 10**8)
    decoded = []
    load = ImageFile.ImageFile.load_prepare
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", lambda self: (decoded.append(self.mode), load(self))[1])
    assert photo.colour(1) is photo.colour(1)
    assert photo.colour(2).width < photo.colour(1).width
    assert decoded == ["RGB", "RGB"]


def test_the_middle_of_a_wider_cut_is_the_closer_cut_of_the_same_face(portrait, encode):
    model = landmark_model(None)
    photo = encode(portrait.rotate(8, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120)), quality=95)
    wide, close = Crop(0.25, "dlib"), Crop(0.14, "dlib")
    (of_wide,), (of_close,) = (faces_in(photo, Extraction(crop=crop, landmarks=model)) for crop in (wide, close))
    share = close.share_of(wide)
    assert share == pytest.approx(1.28 / 1.5)
    middle, whole = pixels(of_wide.image, 96, share).astype(int), pixels(of_close.image, 96).astype(int)
    assert np.abs(middle - whole).mean() < 2 < np.abs(pixels(of_wide.image, 96).astype(int) - whole).mean()


def test_the_middle_of_a_cut_has_the_share_that_was_asked_for():
    wide = Crop(0.25, "dlib")
    assert wide.middle(0.9).share_of(wide) == pytest.approx(0.9)
    assert wide.middle(1) == wide
    with pytest.raises(UsageError, match="Only of aligned faces"):
        Crop(0.25, "none").middle(0.9)


def test_no_other_cut_is_the_middle_of_a_face():
    aligned = Crop(0.25, "dlib")
    assert aligned.share_of(aligned) == Crop(0.1, "none").share_of(Crop(0.1, "none")) == 1
    assert Crop(0.3, "dlib").share_of(aligned) is None  # what was left out is not there
    assert Crop(0.1, "none").share_of(aligned) is None
    assert (
        Crop(0.1, "none").share_of(Crop(0.25, "none")) is None
    )  # cut off at the photo's edge, its middle is elsewhere

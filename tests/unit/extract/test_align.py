from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from components.common import dlib_models
from components.common.errors import UsageError
from components.common.preprocessing import Crop, pixels
from components.extract.align import AVERAGE_FACE, landmark_model, similarity
from components.extract.photo import Extraction, faces_in


def test_a_similarity_is_found_again():
    random = np.random.default_rng(0)
    points = random.normal(size=5) + 1j * random.normal(size=5)
    turn, shift = similarity(points, (2 - 1j) * points + (3 + 4j))
    assert turn == pytest.approx(2 - 1j) and shift == pytest.approx(3 + 4j)


def test_a_noisy_similarity_is_that_of_numpys_least_squares():
    random = np.random.default_rng(1)
    points, targets = (random.normal(size=5) + 1j * random.normal(size=5) for _ in range(2))
    expected = np.linalg.lstsq(np.stack([points, np.ones(5)], axis=1), targets, rcond=None)[0]
    assert similarity(points, targets) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


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


def test_an_aligned_face_has_its_eyes_level_and_its_points_at_the_average_places(portrait, encode):
    model = landmark_model(None)
    large = portrait.resize((portrait.width * 2, portrait.height * 2))
    tilted = large.rotate(8, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120))
    (first,) = faces_in(encode(tilted, quality=95), Extraction(landmarks=model))
    assert first.landmarks is not None
    # The points of the crop, found in it anew, lie where the average face has them.
    (again,) = faces_in(first.image, Extraction(landmarks=model))
    assert again.landmarks is not None
    points = np.array(again.landmarks).reshape(5, 2) / first.width
    expected = (AVERAGE_FACE + 0.25 * (1 + 1j)) / 1.5
    assert np.abs(points[:, 0] + 1j * points[:, 1] - expected).max() < 0.06


def test_the_middle_of_a_wider_cut_is_the_closer_cut_of_the_same_face(portrait, encode):
    model = landmark_model(None)
    photo = encode(portrait.rotate(8, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120)), quality=95)
    wide, close = Crop(0.25, "five-point"), Crop(0.14, "five-point")
    (of_wide,), (of_close,) = (
        faces_in(photo, Extraction(margin=crop.margin, landmarks=model)) for crop in (wide, close)
    )
    share = close.share_of(wide)
    assert share == pytest.approx(1.28 / 1.5)
    middle, whole = pixels(of_wide.image, 96, share).astype(int), pixels(of_close.image, 96).astype(int)
    assert np.abs(middle - whole).mean() < 2 < np.abs(pixels(of_wide.image, 96).astype(int) - whole).mean()


def test_no_other_cut_is_the_middle_of_a_face():
    aligned = Crop(0.25, "five-point")
    assert aligned.share_of(aligned) == Crop(0.1, "none").share_of(Crop(0.1, "none")) == 1
    assert Crop(0.3, "five-point").share_of(aligned) is None  # what was left out is not there
    assert Crop(0.1, "none").share_of(aligned) is None
    assert (
        Crop(0.1, "none").share_of(Crop(0.25, "none")) is None
    )  # cut off at the photo's edge, its middle is elsewhere

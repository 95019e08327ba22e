from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from components.common.alignment import template
from components.common.errors import UsageError
from components.common.preprocessing import Crop
from components.extract import align
from components.extract.align import landmark_model
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
    monkeypatch.setattr(align, "_PACKAGE", "no_such_package")
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

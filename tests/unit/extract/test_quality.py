from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from components.common.preprocessing import Crop
from components.extract.align import landmark_model
from components.extract.photo import Extraction, faces_in
from components.extract.quality import SIDE, measure, overall, pose_of, reasons

WHOLE = (0, 0, SIDE, SIDE)
UNALIGNED = Crop(0.0, "none")


@pytest.fixture(scope="module")
def quality(encode):
    """The quality of the only face in a picture, found and aligned as extract does."""
    extraction = Extraction(crop=Crop(0.25, "dlib"), landmarks=landmark_model(None))

    def quality(picture):
        (face,) = faces_in(encode(picture, quality=95), extraction)
        return face.quality, face.score

    return quality


def test_what_is_done_to_a_photo_shows_in_the_part_that_it_concerns(portrait, quality):
    plain, _ = quality(portrait)
    blurred, score = quality(portrait.filter(ImageFilter.GaussianBlur(portrait.width / 50)))
    assert blurred.sharpness < plain.sharpness / 2 and blurred.quality < plain.quality
    assert "blurred" in reasons(asdict(blurred), score, "dlib")
    dark, score = quality(ImageEnhance.Brightness(portrait).enhance(0.25))
    assert dark.luminance_mean < plain.luminance_mean / 4 and dark.under_exposure > plain.under_exposure
    assert dark.quality < plain.quality and "too dark" in reasons(asdict(dark), score, "dlib")
    small, _ = quality(portrait.resize((portrait.width // 2, portrait.height // 2)))
    assert small.eye_distance == pytest.approx(plain.eye_distance / 2, rel=0.1)


def test_a_mirrored_photo_is_turned_the_other_way(portrait, quality):
    plain, mirrored = quality(portrait)[0], quality(ImageOps.mirror(portrait))[0]
    # dlib's landmarks are not mirrored exactly.
    assert plain.yaw > 10 and mirrored.yaw < -10
    assert mirrored.roll == pytest.approx(-plain.roll, abs=3)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-50, 12, 20), (10, -25, -90)])
def test_the_pose_is_that_in_which_an_average_face_was_projected(yaw, pitch, roll):
    below, in_front = 0.774, 0.41
    y, p, r = np.radians([yaw, pitch, roll])
    # Right, down, towards the camera: down first, then to the right, then clockwise.
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    roll_over = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    face = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, below, in_front]]) @ (roll_over @ turn @ nod).T
    left, right, nose = (complex(x, down) * 80 + 300 + 200j for x, down, _ in face)
    pose, distance = pose_of((left, right), nose, below, in_front)
    assert (pose.yaw, pose.pitch, pose.roll, distance) == pytest.approx((yaw, pitch, roll, 80), abs=1e-4)


def test_the_light_is_as_the_definitions_say_pixel_by_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    pixels[:, : SIDE // 2] //= 2
    found = measure(Image.fromarray(pixels), UNALIGNED, WHOLE, WHOLE, 1.0)
    levels = []
    for row in range(SIDE):
        for column in range(SIDE):
            if ((column + 0.5 - SIDE / 2) / 0.44) ** 2 + ((row + 0.5 - SIDE / 2) / 0.5) ** 2 <= SIDE**2:
                linear = [
                    c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in pixels[row, column] / 255
                ]
                levels.append(math.floor(255 * (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) + 0.5))
    mean = sum(levels) / 255 / len(levels)
    shares = [levels.count(level) / len(levels) for level in set(levels)]
    assert found.luminance_mean == pytest.approx(mean)
    assert found.luminance_variance == pytest.approx(sum((level / 255 - mean) ** 2 for level in levels) / len(levels))
    assert found.dynamic_range == pytest.approx(-sum(share * math.log2(share) for share in shares))
    assert found.under_exposure == pytest.approx(sum(level <= 25 for level in levels) / len(levels))
    assert found.over_exposure == pytest.approx(sum(level >= 247 for level in levels) / len(levels))
    assert (found.yaw, found.pitch, found.roll) == (None, None, None)


def test_cheeks_lit_alike_are_uniform_and_others_are_not():
    even, uneven = np.full((SIDE, SIDE, 3), 90, np.uint8), np.full((SIDE, SIDE, 3), 90, np.uint8)
    uneven[:, : SIDE // 2] = 200
    uniformity = [
        measure(Image.fromarray(each), UNALIGNED, WHOLE, WHOLE, 1.0).illumination_uniformity for each in (even, uneven)
    ]
    assert uniformity == [1, 0]


def test_one_part_of_no_use_spoils_the_whole_and_is_the_reason():
    good = {"sharpness": 1.0, "eye_distance": 200.0, "yaw": 0.0, "pitch": 0.0, "luminance_mean": 0.5}
    good["luminance_variance"] = 1 / 60
    assert overall(good, 4.0, "dlib") > 99
    for worse, reason in (
        ({"yaw": -85.0}, "turned away"),
        ({"pitch": 80.0}, "looking down"),
        ({"pitch": -80.0}, "looking up"),
        ({"luminance_variance": 0.0}, "little contrast"),
        ({"eye_distance": 5.0}, "too small"),
        ({"luminance_variance": 0.0, "luminance_mean": 0.1}, "too dark"),
        ({"luminance_variance": 0.0, "luminance_mean": 0.9}, "too bright"),
        ({"luminance_variance": 0.2}, "hard shadows"),
    ):
        assert overall(good | worse, 4.0, "dlib") < overall(good, 4.0, "dlib") - 10
        assert reasons(good | worse, 4.0, "dlib") == [reason]
    assert overall(good | {"yaw": None, "pitch": None}, 4.0, "dlib") > 99

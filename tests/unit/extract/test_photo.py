from __future__ import annotations

import hashlib
import io
import os

import numpy as np
import pytest
from PIL import Image

from components.common.preprocessing import Crop
from components.extract.decode import Photo
from components.extract.detect import LONG_SIDE, Detection, detect
from components.extract.photo import Extraction, Reject, extract_photo, faces_in
from components.extract.reasons import Reason


@pytest.fixture
def group(portrait, tmp_path):
    """A photo of a large face on the left and a smaller one on the right."""
    picture = Image.new("RGB", (900, 500), (90, 110, 120))
    picture.paste(portrait.resize((500, 500)), (0, 0))
    picture.paste(portrait.resize((320, 320)), (560, 100))
    path = tmp_path / "group.png"
    picture.save(path)
    return path


@pytest.fixture
def bystander(portrait, encode):
    """A photo of a person in the middle, and of a larger face at the edge."""
    picture = Image.new("RGB", (1280, 960), (90, 110, 120))
    picture.paste(portrait.resize((400, 400)), (440, 280))
    picture.paste(portrait.resize((460, 460)), (0, 490))
    return encode(picture)


def test_the_large_face_near_the_middle_is_taken_unless_the_largest_is_asked_for(bystander):
    both = faces_in(bystander, Extraction("all"))
    assert len(both) == 2
    (central,) = faces_in(bystander, Extraction())
    (largest,) = faces_in(bystander, Extraction("largest"))
    assert largest.box[2] < 480 < 500 < central.box[0]
    assert central.box[2] - central.box[0] < largest.box[2] - largest.box[0]


def test_a_small_face_in_the_middle_does_not_count_against_a_large_one_beside_it():
    beside, middle = Detection((250, 250, 650, 650), 1.0), Detection((660, 410, 740, 490), 1.0)
    assert beside.prominence(1400, 900, 0) == 400**2
    assert beside.prominence(1400, 900, 2) == 400**2 - 2 * 250**2 > middle.prominence(1400, 900, 2) == 80**2


def test_of_two_faces_beside_the_middle_the_larger_is_taken(group):
    outcome = extract_photo(group, Extraction())
    (face,) = outcome.faces
    assert outcome.reject is None and face.box[2] < 500
    assert face == extract_photo(group, Extraction("largest")).faces[0]


def test_all_faces_are_taken_sorted_by_box_and_each_is_the_same_as_alone(group):
    faces = extract_photo(group, Extraction("all")).faces
    assert len(faces) == 2
    assert faces[0].box[2] < 500 < faces[1].box[0]
    assert faces[0] == extract_photo(group, Extraction()).faces[0]


@pytest.mark.parametrize("side", [600, 190])
def test_the_largest_face_is_found_whether_large_or_small(side, portrait, encode):
    picture = Image.new("RGB", (1280, 960), (90, 110, 120))
    picture.paste(portrait.resize((side, side)), (300, 200))
    (face,) = faces_in(encode(picture), Extraction())
    x0, y0, x1, y1 = face.box
    assert x0 >= 300 and y0 >= 200 and x1 <= 300 + side and y1 <= 200 + side and x1 - x0 > side / 4


def test_what_is_nearly_a_face_is_looked_at_again_larger(portrait, encode):
    picture = Image.new("RGB", (1600, 1200), (90, 110, 120))
    picture.paste(portrait.resize((178, 178)), (703, 500))
    data = encode(picture)
    photo = Photo(data, 10**7)
    assert not detect(photo.small("L", LONG_SIDE), 1600, 1200)
    assert not detect(photo.small("RGB", LONG_SIDE), 1600, 1200)
    (face,) = faces_in(data, Extraction("all"))
    x0, y0, x1, y1 = face.box
    assert x0 >= 703 and y0 >= 500 and x1 <= 881 and y1 <= 678 and face.score > 0


def test_only_rejects_several_faces_and_takes_one(group, portrait, encode, tmp_path):
    outcome = extract_photo(group, Extraction("only"))
    assert outcome.reject == Reject(Reason.SEVERAL_FACES, "2 faces") and not outcome.faces
    single = tmp_path / "single.jpg"
    single.write_bytes(encode(portrait))
    assert len(extract_photo(single, Extraction("only")).faces) == 1


def test_a_crop_is_a_square_jpeg_and_its_id_is_of_its_pixels(group):
    outcome = extract_photo(group, Extraction())
    (face,) = outcome.faces
    assert outcome.sha256 == hashlib.sha256(group.read_bytes()).hexdigest()
    x0, y0, x1, y1 = face.crop_box
    with Image.open(io.BytesIO(face.image)) as crop, Image.open(group) as photo:
        assert (crop.format, crop.mode, crop.size) == ("JPEG", "RGB", (face.width, face.height))
        assert x1 - x0 == y1 - y0 >= face.width == face.height
        expected = photo.crop(face.crop_box).resize(crop.size, Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(crop, float) - np.asarray(expected, float)).mean() < 4
    again = extract_photo(group, Extraction()).faces[0]
    other = extract_photo(group, Extraction(crop=Crop(0.1, "none"))).faces[0]
    assert again.face_id == face.face_id != other.face_id
    assert len(face.face_id) == 32


def test_a_lossless_copy_of_a_photo_has_the_same_face_id(portrait, encode):
    fast, small = (faces_in(encode(portrait, "PNG", compress_level=level), Extraction()) for level in (1, 9))
    assert not isinstance(fast, Reject)
    assert fast == small


def test_boxes_are_in_pixels_of_the_upright_photo_whatever_its_size(portrait, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.new("RGB", (1800, 1200), (90, 110, 120))
    wide.paste(portrait.resize((900, 900)), (850, 200))
    sideways = wide.transpose(Image.Transpose.ROTATE_90)
    (upright,) = faces_in(encode(wide, quality=95), Extraction())
    (turned,) = faces_in(encode(sideways, quality=95, exif=exif), Extraction())
    assert upright.box[0] > 850 and upright.width == 256
    assert np.abs(np.subtract(upright.box, turned.box)).max() <= 40


def test_a_photo_without_a_face_is_rejected(encode):
    reject = faces_in(encode(Image.new("RGB", (300, 200), "green")), Extraction())
    assert isinstance(reject, Reject) and reject.reason is Reason.NO_FACE


def test_a_pipe_and_a_missing_file_are_rejected_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("pipe.jpg", "missing.jpg"):
        outcome = extract_photo(tmp_path / name, Extraction())
        assert outcome.sha256 is None and outcome.reject is not None
        assert outcome.reject.reason is Reason.NOT_A_FILE


def test_a_file_too_large_for_any_allowed_photo_is_not_read(tmp_path):
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: takes no space
    outcome = extract_photo(path, Extraction())
    assert outcome.reject is not None and outcome.reject.reason is Reason.UNREADABLE

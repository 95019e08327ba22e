from __future__ import annotations

import dlib
import numpy as np
import pytest
from PIL import Image

from components.extract.unpacked import frontal_face_detector


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "facenet"


def test_what_is_kept_finds_what_dlibs_own_finds(cache, sample_photos):
    frontal_face_detector()
    assert [file.name for file in cache.iterdir()] == ["dlib-detector.svm"]
    kept, own = frontal_face_detector(), dlib.get_frontal_face_detector()
    for photo in sorted(sample_photos.rglob("00.jpg"))[:4]:
        with Image.open(photo) as picture:
            grey = np.asarray(picture.convert("L"))
        boxes, scores, which = kept.run(grey, 1, -0.3)
        expected = own.run(grey, 1, -0.3)
        assert list(scores)
        assert (list(boxes), list(scores), list(which)) == tuple(map(list, expected))


def test_a_file_that_is_not_what_dlib_unpacks_is_not_read_but_replaced(cache):
    frontal_face_detector()
    file = cache / "dlib-detector.svm"
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]):
        file.write_bytes(damaged)
        assert frontal_face_detector().num_detectors == 5
        assert file.read_bytes() == whole


def test_where_nothing_can_be_kept_dlib_unpacks_it(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert frontal_face_detector().num_detectors == 5
    assert [file.name for file in tmp_path.iterdir()] == ["file"]

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from components.extract.decode import Photo
from components.extract.phash import phash


def hash_of(data: bytes) -> int:
    return phash(Photo(data, 10**8).small("L", 640))


def test_the_hash_is_that_of_the_cosine_transform_written_out():
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (32, 32), dtype=np.uint8)
    strengths = [
        sum(
            int(grey[y, x]) * math.cos(math.pi * (2 * y + 1) * v / 64) * math.cos(math.pi * (2 * x + 1) * u / 64)
            for y in range(32)
            for x in range(32)
        )
        for v in range(8)
        for u in range(8)
    ]
    middle = float(np.median(strengths))
    assert f"{phash(grey):064b}" == "".join(str(int(strength > middle)) for strength in strengths)


def test_resized_and_encoded_anew_a_photo_keeps_its_hash(portrait, encode):
    original = hash_of(encode(portrait, quality=95))
    smaller = portrait.resize((portrait.width * 3 // 4, portrait.height * 3 // 4), Image.Resampling.LANCZOS)
    assert hash_of(encode(portrait, quality=85)) == original
    assert hash_of(encode(smaller, quality=90)) == original


def test_photos_of_different_people_have_different_hashes(sample_photos):
    hashes = {hash_of(path.read_bytes()) for path in sample_photos.glob("*/00.jpg")}
    assert len(hashes) == 24

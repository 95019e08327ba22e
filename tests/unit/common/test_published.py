"""Which checkpoints hold dlib's network as it was published."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from components.common import published
from components.common.preprocessing import Crop, Preprocessing

KEPT = {
    "preprocessing": Preprocessing(published.IMAGE_SIZE, published.CROP).to_json(),
    "training": {"kept_round": 0, "start": {"sha256": published.sha256(), "left_out": []}},
}


def test_a_checkpoint_with_nothing_trained_is_dlibs_network():
    assert published.is_kept(KEPT)
    assert published.is_kept({"origin": published.ORIGIN, "training": {}})
    margin, alignment = published.CROP.margin, published.CROP.alignment
    for crop in ({"margin": margin, "alignment": alignment}, asdict(Crop(margin, alignment, "blazeface"))):
        assert published.is_kept(KEPT | {"preprocessing": KEPT["preprocessing"] | {"crop": crop}})


@pytest.mark.parametrize(
    "other",
    [
        {"training": {}},
        {"training": {"kept_round": 0, "start": None}},
        {"training": KEPT["training"] | {"kept_round": 1}},
        {"training": {"kept_round": 0, "start": {"sha256": "of another", "left_out": []}}},
        {"training": {"kept_round": 0, "start": {"sha256": published.sha256(), "left_out": ["embedding"]}}},
        {"preprocessing": Preprocessing(published.IMAGE_SIZE, published.CROP, flip_averaging=True).to_json()},
    ],
)
def test_what_was_trained_or_is_asked_otherwise_is_another(other):
    assert not published.is_kept(KEPT | other)

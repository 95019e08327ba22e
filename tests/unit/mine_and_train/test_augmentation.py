"""Each change of the training images alone: that it does what its flag says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.common.errors import UsageError
from components.mine_and_train.augmentation import Augmentation, augment

STILL = {"flip": False}
IMAGES = np.random.default_rng(0).integers(0, 256, (200, 12, 12, 3), np.uint8)
SCALED = IMAGES.astype(np.float32) / 127.5 - 1


def changed(images=IMAGES, seed=(1, 2), **flags):
    return augment(tf.constant(images), tf.constant(seed, tf.int32), Augmentation(**{**STILL, **flags})).numpy()


def test_with_everything_off_images_are_only_scaled():
    np.testing.assert_allclose(changed(), SCALED, atol=1e-6)


def test_images_of_a_standardised_network_are_standardised_after_everything_else():
    recipe = Augmentation(**{**STILL, "brightness": 0.3, "erasing": 1.0})
    found = augment(tf.constant(IMAGES), tf.constant((1, 2)), recipe, "standardised").numpy()
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize(
    "flag",
    [
        {"flip": True},
        {"jitter": 0.1},
        {"brightness": 0.2},
        {"contrast": 0.2},
        {"saturation": 0.2},
        {"jpeg_quality": 30},
        {"erasing": 0.5},
    ],
    ids=lambda flag: next(iter(flag)),
)
def test_a_change_is_repeatable_differs_by_seed_and_image_and_stays_in_range(flag):
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    once = changed(same, **flag)
    np.testing.assert_array_equal(once, changed(same, **flag))
    assert (once != changed(same, seed=(1, 3), **flag)).any()
    assert len(np.unique(once.reshape(len(once), -1), axis=0)) > 1
    assert np.abs(once).max() <= 1


@pytest.mark.parametrize(
    "flag", [{"jitter": 0.1}, {"erasing": 0.5}, {"jpeg_quality": 30}], ids=lambda flag: next(iter(flag))
)
def test_the_size_of_changed_images_is_known_before_they_are_there(flag):
    """Convolutions choose their gradient by it."""
    images = tf.TensorSpec((None, 12, 12, 3), tf.uint8)
    change = tf.function(lambda images: augment(images, tf.constant((1, 2)), Augmentation(**{**STILL, **flag})))
    assert change.get_concrete_function(images).output_shapes == tf.TensorShape((None, 12, 12, 3))


def test_mirroring_is_left_to_right_of_about_half_the_images():
    mirrored = changed(flip=True)
    kept, turned = (
        np.isclose(mirrored, expected, atol=1e-4).all(axis=(1, 2, 3)) for expected in (SCALED, SCALED[:, :, ::-1])
    )
    assert (kept ^ turned).all()
    assert 60 < kept.sum() < 140


def test_jitter_moves_a_dot_by_no_more_than_its_fraction():
    images = np.zeros((50, 40, 40, 3), np.uint8)
    images[:, 19:21, 19:21] = 255
    moved = (changed(images, jitter=0.1)[..., 0] + 1) / 2
    rows, columns = (moved.sum(axis) @ np.arange(40) / moved.sum((1, 2)) for axis in (2, 1))
    for centre in (rows, columns):
        assert np.abs(centre - 19.5).max() < 0.1 * 40 + 0.5
        assert np.ptp(centre) > 4


def test_brightness_adds_one_number_to_an_image():
    images = np.full((100, 4, 4, 3), 128, np.uint8)
    added = changed(images, brightness=0.25) - changed(images)
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-6
    assert 0.4 < np.abs(added).max() <= 0.5 + 1e-6  # a quarter of the range, which is 2 wide


def test_contrast_keeps_the_mean_and_saturation_keeps_the_grey():
    soft = (IMAGES // 4 + 96).astype(np.uint8)  # far from black and white, where values would be cut off
    plain = changed(soft)
    contrast, saturation = changed(soft, contrast=0.5), changed(soft, saturation=0.5)
    np.testing.assert_allclose(contrast.mean((1, 2, 3)), plain.mean((1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(saturation.mean(3), plain.mean(3), atol=1e-5)
    for part in (contrast, saturation):
        assert np.abs(part - plain).max() > 0.02
    factor = contrast.std((1, 2, 3)) / plain.std((1, 2, 3))
    assert factor.min() >= 0.5 - 1e-4
    assert factor.max() <= 1.5 + 1e-4


def test_erasing_blanks_a_rectangle_of_about_the_share_of_images_asked_for():
    images = np.full((400, 50, 50, 3), 255, np.uint8)
    blank = (changed(images, erasing=0.3) == 0).all(axis=3)
    hit = blank.any(axis=(1, 2))
    assert 80 < hit.sum() < 160
    share = blank[hit].mean(axis=(1, 2))
    assert share.min() > 0.01
    assert share.max() < 0.23
    for one in blank[hit]:
        rows, columns = one.any(axis=1), one.any(axis=0)
        assert one.sum() == rows.sum() * columns.sum()


def test_low_jpeg_quality_costs_detail():
    low = np.abs(changed(jpeg_quality=1) - SCALED).mean()
    high = np.abs(changed(jpeg_quality=95) - SCALED).mean()
    assert low > high > 0


@pytest.mark.parametrize(
    "flag", [{"jitter": 0.6}, {"brightness": -0.1}, {"erasing": float("nan")}, {"jpeg_quality": 0}, {"contrast": 2.0}]
)
def test_numbers_outside_their_range_are_refused_by_name(flag):
    with pytest.raises(UsageError, match=f"--{next(iter(flag))}"):
        Augmentation(**flag).check()
    Augmentation().check()

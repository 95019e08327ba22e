"""Random changes to training images, drawn anew at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.common.errors import UsageError
from components.common.preprocessing import SCALING

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """Random changes to training images."""

    flip: bool = True
    """Mirror training images left to right with probability 1/2; never upside down: nobody is photographed that way."""
    jitter: float = 0.0
    """Shift training images along each axis and zoom them by up to this fraction of the side, as a detector's box moves
    from one photo to the next; the edge is repeated."""
    brightness: float = 0.0
    """Add up to this fraction of the full range to all pixels of a training image."""
    contrast: float = 0.0
    """Multiply a training image's difference from its mean by 1 plus or minus up to this."""
    saturation: float = 0.0
    """Multiply a training image's difference from grey by 1 plus or minus up to this."""
    jpeg_quality: int = 100
    """The lowest quality at which training images are encoded as JPEG; 100 leaves them as they are."""
    erasing: float = 0.0
    """Probability of replacing a random rectangle of a training image by mid grey (Zhong et al., 2020, algorithm 1)."""

    def check(self) -> None:
        """Raises UsageError for a number outside its range."""
        for name, most in {
            "jitter": 0.5,
            "brightness": 1.0,
            "contrast": 1.0,
            "saturation": 1.0,
            "erasing": 1.0,
        }.items():
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(f"--{name} is a number from 0 to {most:g}.", received=getattr(self, name))
        if not 1 <= self.jpeg_quality <= 100:
            raise UsageError("--jpeg_quality is from 1 to 100.", received=self.jpeg_quality)


# Of the rectangles erased: their share of the image, and height to width or width to height.
_ERASED_SHARE = (0.02, 0.2)
_ERASED_RATIO = 3.3


def augment(images: Any, seed: Any, augmentation: Augmentation, scaling: str = SCALING) -> Any:
    """Changes each image at random, in a TensorFlow graph.

    Args:
        images: uint8 tensor [n, size, size, 3].
        seed: int32 tensor [2]; the same seed changes images in the same way.
        augmentation: how; what is off costs nothing.
        scaling: of the network; see `Preprocessing`.

    Returns:
        float32 tensor [n, size, size, 3] as the network takes it.
    """
    import tensorflow as tf

    from components.model.network import rescale, scale

    shape = images.shape
    if augmentation.jpeg_quality < 100:
        images = _recompress(images, seed + 2, augmentation.jpeg_quality)
    changed = scale(images)
    uniform = tf.random.stateless_uniform([tf.shape(images)[0], 7], seed, -1.0, 1.0)
    if augmentation.flip or augmentation.jitter:
        changed = _warp(changed, uniform, augmentation)
    if augmentation.saturation or augmentation.contrast or augmentation.brightness:
        changed = _recolour(changed, uniform, augmentation)
    changed = tf.clip_by_value(changed, -1.0, 1.0)
    if augmentation.erasing:
        changed = _erase(changed, seed + 1, augmentation.erasing)
    # Some of these operations forget the size, by which convolutions choose their gradient.
    return tf.ensure_shape(rescale(changed, scaling), shape)


def _each(values: tf.Tensor) -> Any:
    return values[:, None, None, None]


def _warp(images: Any, uniform: Any, augmentation: Augmentation) -> Any:
    """Mirrored, shifted and zoomed, in one affine transform."""
    import tensorflow as tf

    size = tf.cast(tf.shape(images)[1], tf.float32)
    zoom = 1 + augmentation.jitter * uniform[:, 0]
    across, down = augmentation.jitter * size * uniform[:, 1], augmentation.jitter * size * uniform[:, 2]
    mirrored = tf.where(uniform[:, 3] < 0, -zoom, zoom) if augmentation.flip else zoom
    centre, zero = (size - 1) / 2, tf.zeros_like(zoom)
    rows = [mirrored, zero, centre * (1 - mirrored) + across, zero, zoom, centre * (1 - zoom) + down, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.shape(images)[1:3],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def _recolour(images: Any, uniform: Any, augmentation: Augmentation) -> Any:
    """Saturation, contrast and brightness in one pass over the pixels: each alone would read and write all of them."""
    import tensorflow as tf

    saturation = 1 + augmentation.saturation * _each(uniform[:, 4])
    contrast = 1 + augmentation.contrast * _each(uniform[:, 5])
    brightness = 2 * augmentation.brightness * _each(uniform[:, 6])  # the range is 2 wide
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=[1, 2], keepdims=True)  # saturation does not change it
    rest = contrast * (1 - saturation) * grey + (1 - contrast) * mean + brightness
    return contrast * saturation * images + rest


def _recompress(images: Any, seed: Any, lowest: int) -> Any:
    import tensorflow as tf

    qualities = tf.random.stateless_uniform([tf.shape(images)[0]], seed, lowest, 101, tf.int32)

    def recompress(image_and_quality: Any) -> Any:
        return tf.image.adjust_jpeg_quality(*image_and_quality)

    return tf.map_fn(recompress, (images, qualities), fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8))


def _erase(images: Any, seed: Any, probability: float) -> Any:
    import tensorflow as tf

    size = tf.cast(tf.shape(images)[1], tf.float32)
    draws = tf.random.stateless_uniform([tf.shape(images)[0], 5], seed)
    least, most = _ERASED_SHARE
    area = size * size * (least + (most - least) * draws[:, 0])
    ratio = tf.exp((2 * draws[:, 1] - 1) * math.log(_ERASED_RATIO))
    height, width = tf.minimum(tf.sqrt(area * ratio), size), tf.minimum(tf.sqrt(area / ratio), size)
    top, left = draws[:, 2] * (size - height), draws[:, 3] * (size - width)
    place = tf.range(size)[None]
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    inside = rows[:, :, None] & columns[:, None] & (draws[:, 4] < probability)[:, None, None]
    return tf.where(inside[..., None], 0.0, images)

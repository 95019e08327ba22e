"""The embedding network: a backbone whose logits layer is replaced by an embedding of unit length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from components.common.errors import UsageError
from components.model import BATCH_SIZE, backbones
from components.model.backbones.normalization import normalized

EMBEDDING_LAYER = "embedding"


@dataclass(frozen=True)
class Architecture:
    """What it takes to build the network again.

    Args:
        backbone: a name in `components.model.backbones`.
        image_size: side of the square RGB input in pixels.
        embedding_size: length of the output.
    """

    backbone: str
    image_size: int
    embedding_size: int

    def to_json(self) -> dict[str, Any]:
        """The architecture as plain values."""
        return asdict(self)


def build(architecture: Architecture) -> keras.Model:
    """Builds the network with random weights.

    The embedding is a linear layer without bias, BatchNorm, and L2 normalisation along the embedding's own axis
    (FaceNet, section 3.1: ||f(x)|| = 1). The BatchNorm keeps the embeddings' dimensions centred and of one scale,
    which makes the collapse of hard-triplet training onto one point less likely.

    Returns:
        keras.Model: float32 [n, image_size, image_size, 3] in [-1, 1] -> float32 [n, embedding_size], unit length.

    Raises:
        UsageError: unknown backbone, or a size that it does not take.
    """
    if not 2 <= architecture.embedding_size <= 4096:
        raise UsageError(
            "This embedding size does not make a network.",
            received=f"embedding_size={architecture.embedding_size}",
            advice="Give 2 to 4096; the FaceNet paper found 128 to be enough.",
        )
    backbone = backbones.build(architecture.backbone, architecture.image_size)
    x = layers.Dense(architecture.embedding_size, use_bias=False, name=EMBEDDING_LAYER)(backbone.output)
    x = normalized(x, scale=False, name="embedding_normalisation")
    # float32 whatever the precision of the layers before: distances are small differences.
    x = layers.UnitNormalization(axis=-1, dtype="float32", name="unit_length")(x)
    return keras.Model(backbone.input, x, name="facenet")


def scaled(images: Any) -> Any:
    """Maps uint8 images to float32 in [-1, 1] inside a TensorFlow graph; see `Preprocessing.scaling`."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


class Embedder:
    """Embeds images with a network as it is at the time of the call.

    Compiled once, so that rounds and large datasets cost no tracing.

    Args:
        network: as `build` makes it.
        batch_size: images pushed through at a time.
        flip_averaging: see `components.common.preprocessing.Preprocessing`.
    """

    def __init__(self, network: keras.Model, batch_size: int = BATCH_SIZE, *, flip_averaging: bool = False) -> None:
        self._batch_size = batch_size
        self._embedding_size: int = network.output_shape[-1]

        def call(images: Any) -> Any:
            embeddings = network(scaled(images), training=False)
            if flip_averaging:
                embeddings += network(scaled(images[:, :, ::-1]), training=False)
                embeddings = tf.math.l2_normalize(embeddings, axis=-1)
            return embeddings

        # Traced once, for any number of images: what is traced anew for a number rounds differently.
        images = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8)
        self._call = tf.function(call, input_signature=[images])

    def __call__(self, images: npt.NDArray[np.uint8], progress: Any = None) -> npt.NDArray[np.float32]:
        """Embeds images.

        Args:
            images: uint8 [n, image_size, image_size, 3], RGB.
            progress: a bar to move by the number of images done.

        Returns:
            float32 [n, embedding_size], each row of length 1.
        """
        embeddings = np.empty((len(images), self._embedding_size), np.float32)
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            embeddings[start : start + len(batch)] = self._call(tf.constant(batch)).numpy()
            if progress is not None:
                progress.update(len(batch))
        return embeddings

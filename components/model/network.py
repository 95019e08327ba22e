"""The embedding network: a backbone whose logits layer is replaced by an embedding of unit length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from components.common.batches import embed_batches
from components.common.errors import UsageError
from components.common.preprocessing import SCALING, STANDARDISED, Preprocessing
from components.model import BATCH_SIZE, backbones
from components.model.backbones.normalization import normalizations, normalize

EMBEDDING_LAYER = "embedding"
EMBEDDING_NORMALISATION = "embedding_normalisation"
_UNIT_LENGTH = "unit_length"
MOST_MEMBERS = 4


@dataclass(frozen=True)
class Architecture:
    """What it takes to build the network again.

    Args:
        backbone: a name in `components.model.backbones`.
        image_size: side of the square RGB input in pixels.
        embedding_size: length of the output.
        members: how many networks of this backbone side by side, see `build`.
    """

    backbone: str
    image_size: int
    embedding_size: int
    members: int = 1

    def to_json(self) -> dict[str, Any]:
        """The architecture as plain values."""
        return asdict(self)


def build(architecture: Architecture) -> keras.Model:
    """Builds the network with random weights.

    The embedding is a linear layer without bias, BatchNorm, and L2 normalisation along the embedding's own axis
    (FaceNet, section 3.1: ||f(x)|| = 1). The BatchNorm keeps the embeddings' dimensions centred and of one scale,
    which makes the collapse of hard-triplet training onto one point less likely. A backbone without BatchNorm gets none
    here either: dlib's network tells people apart less well when its embeddings are centred (docs/dlib.md).

    Several members are an ensemble (Hansen and Salamon, 1990) in one network: each has an equal part of the embedding,
    and only all parts side by side are brought to length 1. The first sees the whole image, each further one 1/24 less
    of it on every side: so they err differently.

    Returns:
        keras.Model: float32 [n, image_size, image_size, 3], of `scale` -> float32 [n, embedding_size], unit length.

    Raises:
        UsageError: unknown backbone, a size that it does not take, or members that do not fit.
    """
    if not 2 <= architecture.embedding_size <= 4096:
        raise UsageError(
            "This embedding size does not make a network.",
            received=f"embedding_size={architecture.embedding_size}",
            advice="Give 2 to 4096; the FaceNet paper found 128 to be enough.",
        )
    if not 1 <= architecture.members <= MOST_MEMBERS or architecture.embedding_size % architecture.members:
        raise UsageError(
            "So many members do not make a network.",
            received=f"members={architecture.members}, embedding_size={architecture.embedding_size}",
            advice=f"Give 1 to {MOST_MEMBERS}, and an embedding size that is a multiple of their number.",
        )
    if architecture.members == 1:
        member = _member(architecture.backbone, architecture.image_size, architecture.embedding_size)
        return keras.Model(member.input, _of_unit_length(member.output), name="facenet")
    images = layers.Input((architecture.image_size, architecture.image_size, 3))
    parts = []
    for number in range(architecture.members):
        less = round(architecture.image_size * number / 24)
        member = _member(
            architecture.backbone,
            architecture.image_size - 2 * less,
            architecture.embedding_size // architecture.members,
        )
        parts.append(member(layers.Cropping2D(less)(images)))
    return keras.Model(images, _of_unit_length(layers.Concatenate()(parts)), name="facenet")


def _member(backbone: str, image_size: int, embedding_size: int) -> keras.Model:
    """A backbone and its embedding, of any length."""
    features = backbones.build(backbone, image_size)
    x = layers.Dense(embedding_size, use_bias=False, name=EMBEDDING_LAYER)(features.output)
    if normalizations(features):
        x = normalize(x, scale=False, name=EMBEDDING_NORMALISATION)
    return keras.Model(features.input, x)


def ends_normalised(network: keras.Model) -> bool:
    """Whether the embeddings pass a BatchNorm before they get length 1."""
    return any(layer.name == EMBEDDING_NORMALISATION for layer in normalizations(network))


def without_unit_length(network: keras.Model) -> keras.Model:
    """A network with the same weights whose embeddings keep their lengths, in the precision of its layers."""
    return keras.Model(network.input, network.get_layer(_UNIT_LENGTH).input)


def place_around(network: keras.Model, centre: npt.NDArray[np.float32]) -> None:
    """Moves the embeddings of a network that has learnt nothing: of each member their mean, before they get length 1.

    Args:
        network: as `build` makes it.
        centre: float32 [size], of one member's embedding, in standard deviations of each number.
    """
    for layer in normalizations(network):
        if layer.name == EMBEDDING_NORMALISATION:
            layer.beta.assign(centre)


def _of_unit_length(x: Any) -> Any:
    # float32 whatever the precision of the layers before: distances are small differences.
    return layers.UnitNormalization(axis=-1, dtype="float32", name=_UNIT_LENGTH)(x)


def scale(images: Any, scaling: str = SCALING) -> Any:
    """What a network sees of uint8 images [n, s, s, 3], inside a TensorFlow graph; see `Preprocessing.scaling`."""
    pixels = tf.cast(images, tf.float32)
    return tf.image.per_image_standardization(pixels) if scaling == STANDARDISED else pixels / 127.5 - 1.0


def rescale(images: Any, scaling: str) -> Any:
    """Likewise, of float32 images in [-1, 1]."""
    return tf.image.per_image_standardization(127.5 * (images + 1.0)) if scaling == STANDARDISED else images


class Embedder:
    """Embeds images with a network as it is at the time of the call.

    Compiled once, so that rounds and large datasets cost no tracing.

    Args:
        network: as `build` makes it.
        batch_size: images pushed through at a time.
        flip_averaging: see `components.common.preprocessing.Preprocessing`.
        scaling: likewise.
    """

    def __init__(
        self,
        network: keras.Model,
        batch_size: int = BATCH_SIZE,
        *,
        flip_averaging: bool = False,
        scaling: str = SCALING,
    ) -> None:
        self._batch_size = batch_size
        self._embedding_size: int = network.output_shape[-1]

        def call(images: Any) -> Any:
            embeddings = network(scale(images, scaling), training=False)
            if flip_averaging:
                embeddings += network(scale(images[:, :, ::-1], scaling), training=False)
                embeddings = tf.math.l2_normalize(embeddings, axis=-1)
            return embeddings

        # Traced once, for any number of images: what is traced anew for a number rounds differently.
        images = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8)
        self._call = tf.function(call, autograph=False, input_signature=[images])

    def __call__(self, images: npt.NDArray[np.uint8], progress: Any = None) -> npt.NDArray[np.float32]:
        """Embeds images.

        Args:
            images: uint8 [n, image_size, image_size, 3], RGB.
            progress: a bar to move by the number of images done.

        Returns:
            float32 [n, embedding_size], each row of length 1.
        """

        def embed(batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            embeddings: npt.NDArray[np.float32] = self._call(tf.constant(batch)).numpy()
            return embeddings

        return embed_batches(embed, images, self._batch_size, self._embedding_size, progress)


def embedder_for(network: keras.Model, preprocessing: Preprocessing) -> Embedder:
    """What embeds images as the specification of a network asks for."""
    return Embedder(network, flip_averaging=preprocessing.flip_averaging, scaling=preprocessing.scaling)

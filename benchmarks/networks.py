"""Inception-ResNet-v2, embedding and training, against plain Keras: `python -m benchmarks.networks`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.harness import command_line, compare
from components.export.convert import convert, saved_model
from components.litert import metadata
from components.litert.parallel import ParallelEmbedder
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.losses.loss import LABELS
from components.mine_and_train.losses.online_triplet import online_triplet_loss
from components.mine_and_train.step import training_step
from components.mine_and_train.strategy import Strategy
from components.model.network import Architecture, Embedder, build, scale
from components.model.precision import Precision, layers_in

Rows = npt.NDArray[np.float32]
_BATCH = 16
_IMAGES = 32
_STEP = 96  # mine-and-train's --batch_size unless told otherwise
_SPECIFICATION = {"format": 1, "preprocessing": {"crop": {"margin": 0.25, "alignment": "none"}, "image_size": 160}}


def network(image_size: int, precision: Precision) -> keras.Model:
    """The same weights whatever the precision."""
    keras.utils.set_random_seed(0)
    with layers_in(precision):
        return build(Architecture("inception_resnet_v2", image_size, 128))


def in_plain_keras(network: keras.Model) -> keras.Model:
    """The same network and weights, of Keras's own layers alone."""

    def plain(layer: keras.Layer) -> keras.Layer:
        return getattr(keras.layers, type(layer).__name__).from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=plain)
    copy.set_weights(network.get_weights())
    return copy


def nearness(ours: Rows, theirs: Rows) -> str:
    """How far the embeddings point in the same directions."""
    cosines = np.sum(ours * theirs, axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return f"cosines {cosines.min():.4f} or more"


def embedding(images: npt.NDArray[np.uint8]) -> None:
    """Keras' predict, and what embed does."""
    plain = network(images.shape[1], "float32")

    def predict() -> Rows:
        return plain.predict(np.asarray(scale(images)), batch_size=_BATCH, verbose=0)

    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        embed = Embedder(network(images.shape[1], precision))
        compare(
            f"embed, Inception-ResNet-v2, {precision}",
            "Keras predict, float32",
            lambda embed=embed: embed(images),
            predict,
            nearness,
            at_least=1.7,
            times=3,
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.tflite"
        with saved_model(plain) as model:
            file.write_bytes(metadata.add(convert(model, "int8", images), _SPECIFICATION))
        compare(
            "embed, Inception-ResNet-v2, int8",
            "Keras predict, float32",
            partial(ParallelEmbedder(file), images),
            predict,
            nearness,
            at_least=4,
            times=3,
        )


def training(images: npt.NDArray[np.uint8]) -> None:
    """A step of the product in bfloat16; Keras' own fit in float32, the same loss on the same batch."""
    labels = np.repeat(np.arange(len(images) // 4), 4).astype(np.int32)
    loss = online_triplet_loss(Strategy(negatives="all"))
    seed = np.zeros(2, np.int32)
    fast = network(images.shape[1], "bfloat16")
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(fast.trainable_variables)
    step = training_step(
        fast, optimizer, loss, Augmentation(flip=False), targets=LABELS, variables=fast.trainable_variables
    )
    plain = in_plain_keras(network(images.shape[1], "float32"))
    plain.compile(optimizer=keras.optimizers.Adam(1e-4), loss=lambda wanted, rows: loss(rows, labels, seed).loss)
    floats = np.asarray(scale(images))

    def fit() -> float:
        history = plain.fit(floats, np.zeros((len(images), 1)), batch_size=len(images), shuffle=False, verbose=0)
        return float(history.history["loss"][0])

    def equal(ours: Any, theirs: float) -> str:
        return f"the loss of the first step {ours:.3f} and {theirs:.3f}"

    compare(
        "training step, Inception-ResNet-v2, bfloat16",
        "Keras fit, float32",
        lambda: float(step(images, labels, seed).loss),
        fit,
        equal,
        at_least=1.9,
        times=3,
    )


def main() -> None:
    """Images of 160 pixels, what the network is made for."""
    command_line(__doc__).parse_args()
    images = np.random.default_rng(0).integers(256, size=(_STEP, 160, 160, 3), dtype=np.uint8)
    embedding(images[:_IMAGES])
    training(images)


if __name__ == "__main__":
    main()

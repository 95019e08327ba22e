"""Decoding and a training round, against TensorFlow and Keras by themselves: `python -m benchmarks.training`."""

from __future__ import annotations

import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import components.model  # isort: skip  # noqa: F401  # before TensorFlow: it says how that is to compute
import keras
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import tensorflow as tf

from benchmarks.harness import command_line, compare
from benchmarks.photos import given_or_drawn
from components.collect.collect import as_table, collect, read_faces
from components.common.crops import decode_crops
from components.common.manifest import DATASET
from components.extract.photo import Extraction
from components.extract.stage import extract
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.batches import batches
from components.mine_and_train.losses.loss import TRIPLETS
from components.mine_and_train.losses.triplet import triplet_loss
from components.mine_and_train.mining import mine
from components.mine_and_train.step import training_step
from components.mine_and_train.strategy import Strategy
from components.model.network import Architecture, Embedder, build, scale

Images = npt.NDArray[np.uint8]
_SIZE = 64
_PASSES = 5
_BATCH = 64
_FACES = 120


def decoding(photos: Path, folder: Path) -> tuple[Images, npt.NDArray[np.int64]]:
    """Some passes over all crops in batches: from the manifest into memory once, or by tf.data from files."""
    extract(photos, folder / "faces", folder / "rejects", folder / "files", Extraction(), 2)
    rows = as_table(DATASET.schema, collect(read_faces(folder / "faces"), min_examples=1, validation=0, test=0).dataset)
    crops = [pq.read_table(file)["image"].to_pylist() for file in sorted((folder / "faces").iterdir())]
    files = []
    for number, image in enumerate(chain.from_iterable(crops)):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(image)

    def ours() -> Images:
        images = decode_crops(rows, folder / "faces", _SIZE)
        for _ in range(_PASSES):
            for start in range(0, len(images), _BATCH):
                tf.constant(images[start : start + _BATCH])
        return images

    def read(name: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(name), channels=3)
        return tf.cast(tf.round(tf.image.resize(image, [_SIZE, _SIZE], antialias=True)), tf.uint8)

    def by_files() -> Images:
        names = tf.data.Dataset.from_tensor_slices([str(file) for file in files])
        data = names.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(_BATCH).prefetch(tf.data.AUTOTUNE)
        for _ in range(_PASSES):
            images = [batch.numpy() for batch in data]
        return np.concatenate(images)

    def equal(mine: Images, theirs: Images) -> str:
        difference = np.abs(mine.astype(int) - theirs).mean()
        assert difference < 2
        return f"{len(mine)} crops, pixels differ by {difference:.2f} of 255 on average"

    compare(
        f"decode for training, {_PASSES} passes", "tf.data over JPEG files", ours, by_files, equal, at_least=2, times=3
    )
    return ours(), np.unique(rows["identity"].to_pylist(), return_inverse=True)[1]


class Round:
    """Sample, embed, mine, one pass: by the product's parts, or each triplet's three images by plain Keras."""

    def __init__(self, images: Images, labels: npt.NDArray[np.int64]) -> None:
        self._images, self._labels = images, labels
        keras.utils.set_random_seed(0)
        self._network = build(Architecture("small_resnet", _SIZE, 128))
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(self._network.trainable_variables)
        self._embed = Embedder(self._network, _BATCH)
        self._step = training_step(
            self._network,
            optimizer,
            triplet_loss(0.2),
            Augmentation(flip=False),
            targets=TRIPLETS,
            variables=self._network.trainable_variables,
        )
        keras.utils.set_random_seed(0)
        plain = build(Architecture("small_resnet", _SIZE, 128))
        plain.set_weights(self._network.get_weights())
        inputs = [keras.Input((_SIZE, _SIZE, 3)) for _ in range(3)]
        together = keras.ops.concatenate(inputs, axis=0)
        embedded = keras.ops.split(plain(together), 3, axis=0)
        self._plain = keras.Model(inputs, keras.ops.stack(embedded, axis=1))
        self._plain.compile(optimizer=keras.optimizers.Adam(1e-3), loss=_triplet_loss)
        self._plain_network = plain
        self._passes: list[list[npt.NDArray[np.int64]]] = []

    def ours(self) -> float:
        """The mean loss of a round."""
        rng = np.random.default_rng(len(self._passes))
        mined = mine(self._embed(self._images), self._labels, Strategy(), rng, 6000)
        losses, pushed = [], []
        for batch in batches(mined.triplets, self._labels, _BATCH, rng):
            measured = self._step(self._images[batch.images], batch.triplets, np.zeros(2, np.int32))
            losses.append(float(measured.loss))
            pushed.append(batch.images[batch.triplets])
        self._passes.append(pushed)
        return float(np.mean(losses))

    def plain(self) -> float:
        """Likewise, on the very triplets of the round that ours has just made, step by step."""
        self._plain_network.predict(self._images, batch_size=_BATCH, verbose=0)
        losses = []
        for triplets in self._passes[-1]:
            faces = [np.asarray(scale(self._images[triplets[:, column]])) for column in range(3)]
            losses.append(float(self._plain.train_on_batch(faces, np.zeros(len(triplets)))))
            self._plain.reset_metrics()
        return float(np.mean(losses))


def _triplet_loss(unused: Any, embedded: Any) -> Any:
    anchor, positive, negative = (embedded[:, column] for column in range(3))
    nearer = keras.ops.sum((anchor - positive) ** 2, axis=-1) - keras.ops.sum((anchor - negative) ** 2, axis=-1)
    return keras.ops.mean(keras.ops.maximum(nearer + 0.2, 0.0))


def rounds(images: Images, labels: npt.NDArray[np.int64]) -> None:
    """Some rounds of both."""
    both = Round(images, labels)
    curves: tuple[list[float], list[float]] = [], []

    def noted(call: Any, curve: list[float]) -> Any:
        def called() -> list[float]:
            curve.append(call())
            return curve

        return called

    def equal(mine: list[float], theirs: list[float]) -> str:
        return f"the loss of the first round {mine[0]:.3f} and {theirs[0]:.3f}"

    compare(
        "a training round, small_resnet",
        "each triplet's three images, plain Keras",
        noted(both.ours, curves[0]),
        noted(both.plain, curves[1]),
        equal,
        at_least=5,
        times=3,
    )
    print("loss, ours ", " ".join(f"{loss:.4f}" for loss in curves[0]))
    print("loss, plain", " ".join(f"{loss:.4f}" for loss in curves[1]))


def main() -> None:
    """Decoding, then rounds on what was decoded."""
    parser = command_line(__doc__)
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="folders of people; drawn ones without it")
    with given_or_drawn(parser.parse_args().photos) as photos, tempfile.TemporaryDirectory() as name:
        images, labels = decoding(photos, Path(name))
    # 6,000 triplets of 120 faces are 150 for each; a round of the product has millions of 2,500 faces.
    rounds(images[:_FACES], labels[:_FACES])


if __name__ == "__main__":
    main()

"""Networks, embedding and training, against plain Keras and dlib: `python -m benchmarks.networks`."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import components.model  # isort: skip  # noqa: F401  # before TensorFlow: it says how that is to compute
import dlib
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.harness import Times, command_line, compare, median, side_by_side, timed, write
from components.common.crops import crop_of
from components.common.dlib_models import FACE_NETWORK, path_in_package
from components.common.manifest import EMBEDDINGS, read
from components.common.preprocessing import Preprocessing
from components.export.convert import convert
from components.litert.parallel import ParallelEmbedder
from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.losses.distillation import distillation_loss
from components.mine_and_train.losses.loss import LABELS
from components.mine_and_train.losses.online_triplet import online_triplet_loss
from components.mine_and_train.optimizer import Optimization, optimizer_for
from components.mine_and_train.step import training_step
from components.mine_and_train.strategy import Strategy
from components.model.checkpoint import save
from components.model.network import Architecture, Embedder, build, scale
from components.model.precision import Precision, fastest, layers_in
from components.sample.folder import draw

Rows = npt.NDArray[np.float32]
_BATCH = 16
_IMAGES = 32
_STEP = 96  # mine-and-train's --batch_size unless told otherwise
_STUDENT_SIDE = 68  # pixels, as the recipe `faces` has it
_DLIB_SIDE = 150
_INCEPTION = "inception_resnet_v2"


def specification(image_size: int) -> dict[str, Any]:
    """What lies beside an exported file."""
    return {"format": 1, "preprocessing": {"crop": {"margin": 0.25, "alignment": "none"}, "image_size": image_size}}


def network(image_size: int, precision: Precision, backbone: str = _INCEPTION) -> keras.Model:
    """The same weights whatever the precision."""
    keras.utils.set_random_seed(0)
    with layers_in(precision):
        return build(Architecture(backbone, image_size, 128))


def in_plain_keras(network: keras.Model) -> keras.Model:
    """The same network and weights, of Keras's own layers alone."""

    def plain(layer: keras.Layer) -> keras.Layer:
        # What Keras has no layer for is ours on both sides.
        return getattr(keras.layers, type(layer).__name__, type(layer)).from_config(layer.get_config())

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
            partial(embed, images),
            predict,
            nearness,
            at_least=1.7,
            times=3,
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.tflite"
        file.write_bytes(convert(plain, "int8", specification(images.shape[1]), images))
        compare(
            "embed, Inception-ResNet-v2, int8",
            "Keras predict, float32",
            partial(ParallelEmbedder(file), images),
            predict,
            nearness,
            at_least=4,
            times=3,
        )


@contextmanager
def on_one_core() -> Iterator[None]:
    """Pins the threads that are started meanwhile, and this one, to one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def student(images: npt.NDArray[np.uint8], chips: npt.NDArray[np.uint8]) -> None:
    """The recipe `faces`' network as it is exported, and the network in dlib's C++ that it learns from, on one core.

    Time does not depend on the weights, so nothing is trained, and both see noise.
    """
    with tempfile.TemporaryDirectory() as folder, on_one_core():
        peer = dlib.face_recognition_model_v1(str(path_in_package(FACE_NETWORK)))
        for kind in ("float32", "int8"):
            file = Path(folder) / f"{kind}.tflite"
            small = network(_STUDENT_SIDE, "float32", "dlib_slim")
            file.write_bytes(convert(small, kind, specification(_STUDENT_SIDE), images))
            compare(
                f"embed, the student dlib_slim, {kind}, one core",
                "dlib.face_recognition_model_v1",
                partial(ParallelEmbedder(file), images),
                lambda: np.array([peer.compute_face_descriptor(chip) for chip in chips]),
                lambda ours, theirs: f"{len(ours)} and {len(theirs)} faces; what they are worth is a run's report",
                at_least=30,
                times=3,
            )


def by_tensorflow(network: keras.Model, images: npt.NDArray[np.uint8]) -> list[bytes]:
    """A network in float32 and in int8, by TensorFlow's converter."""
    signature = [tf.TensorSpec([1, *network.input_shape[1:]], tf.float32)]
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("embed", lambda pixels: network(pixels, training=False), input_signature=signature)
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        for kind in ("float32", "int8"):
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["embed"])
            if kind == "int8":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = lambda: ([scale(image[None])] for image in images)
            contents.append(converter.convert())
    return contents


def exporting(images: npt.NDArray[np.uint8]) -> None:
    """The files of the recipe `faces`' network, without what compares them with it."""
    small = network(_STUDENT_SIDE, "float32", "dlib_slim")
    compare(
        "files of dlib_slim, float32 and int8",
        "TensorFlow's converter",
        lambda: [convert(small, kind, specification(_STUDENT_SIDE), images) for kind in ("float32", "int8")],
        lambda: by_tensorflow(small, images),
        lambda ours, theirs: " and ".join(f"{len(content) / 1e6:.1f} MB" for content in (*ours, *theirs)),
        at_least=3,
        times=3,
    )


def starting() -> None:
    """`facenet embed` of few faces, from the start of its process to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "photos", identities=25, photos=6, seed=0)
        stages = {
            "extract": ["-i", str(folder / "photos"), "-o", str(folder / "faces")],
            "collect": ["-i", str(folder / "faces"), "-o", str(folder / "dataset")],
            "embed": [
                "-i",
                str(folder / "dataset"),
                "-c",
                str(folder / "checkpoint"),
                "-o",
                str(folder / "embeddings"),
            ],
        }

        def stage(name: str) -> None:
            subprocess.run([sys.executable, "-m", f"components.{name}", *stages[name]], check=True)

        def embed() -> Rows:
            stage("embed")
            return np.array(read(folder / "embeddings", EMBEDDINGS)["embedding"].to_pylist(), np.float32)

        def in_tensorflow() -> Rows:
            file, aside = folder / "checkpoint" / "model.tflite", folder / "aside"
            file.rename(aside)
            try:
                return embed()
            finally:
                aside.rename(file)

        stage("extract")
        stage("collect")
        architecture = Architecture("dlib_slim", _STUDENT_SIDE, 128)
        preprocessing = Preprocessing(_STUDENT_SIDE, crop_of(folder / "faces"))
        save(folder / "checkpoint", network(_STUDENT_SIDE, "float32", "dlib_slim"), architecture, preprocessing, {})
        compare(
            "embed of 150 faces, dlib_slim, start included",
            "the same in TensorFlow",
            embed,
            in_tensorflow,
            lambda ours, theirs: f"{len(ours)} faces, {nearness(ours, theirs)}",
            at_least=5,
            times=3,
        )


def training(images: npt.NDArray[np.uint8], backbone: str, precision: Precision, at_least: float) -> None:
    """A step of the product; Keras' own fit in float32, the same loss on the same batch."""
    labels = np.repeat(np.arange(len(images) // 4), 4).astype(np.int32)
    loss = online_triplet_loss(Strategy(negatives="all"))
    seed = np.zeros(2, np.int32)
    fast = network(images.shape[1], precision, backbone)
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(fast.trainable_variables)
    step = training_step(
        fast, optimizer, loss, Augmentation(flip=False), targets=LABELS, variables=fast.trainable_variables
    )
    plain = in_plain_keras(network(images.shape[1], "float32", backbone))
    plain.compile(optimizer=keras.optimizers.Adam(1e-4), loss=lambda wanted, rows: loss(rows, labels, seed).loss)
    floats = np.asarray(scale(images))

    def fit() -> float:
        history = plain.fit(floats, np.zeros((len(images), 1)), batch_size=len(images), shuffle=False, verbose=0)
        return float(history.history["loss"][0])

    def equal(ours: Any, theirs: float) -> str:
        return f"the loss of the first step {ours:.3f} and {theirs:.3f}"

    compare(
        f"training step, {'Inception-ResNet-v2' if backbone == _INCEPTION else backbone}, {precision}",
        "Keras fit, float32",
        lambda: float(step(images, labels, seed).loss),
        fit,
        equal,
        at_least=at_least,
        times=3,
    )


@cache
def _recipe_step() -> Callable[[], float]:
    """The step of the recipe `faces`, from random weights and on noise; it returns the loss."""
    student, images = network(_STUDENT_SIDE, fastest(), "dlib_slim"), noise(184, _STUDENT_SIDE)
    how = Optimization(optimizer="muon", momentum=0.95, learning_rate=0.0012)
    taught = np.random.default_rng(0).normal(size=(len(images), 128)).astype(np.float32)
    taught /= np.linalg.norm(taught, axis=1, keepdims=True)
    step = training_step(
        student,
        optimizer_for(how, student.trainable_variables),
        distillation_loss,
        Augmentation(jitter=0.06, brightness=0.1, contrast=0.1, saturation=0.1),
        targets=tf.TensorSpec([None, 128], tf.float32),
        variables=student.trainable_variables,
    )
    return lambda: float(step(images, taught, np.zeros(2, np.int32)).loss)


def _timed_recipe_step() -> tuple[float, Times]:
    return timed(_recipe_step())


def convolutions(steps: int = 12) -> None:
    """The step of the recipe `faces`, and the same with TensorFlow's own convolutions, each in a process, in turn."""
    losses: tuple[list[float], list[float]] = [], []
    taken: tuple[list[Times], list[Times]] = [], []
    with ExitStack() as stack:
        processes = []
        for onednn in "10":
            os.environ["TF_ENABLE_ONEDNN_OPTS"] = onednn  # a process has it from its start
            processes.append(stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))))
            processes[-1].submit(_timed_recipe_step).result()
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
        for _ in range(steps):
            for side, process in enumerate(processes):
                loss, times = process.submit(_timed_recipe_step).result()
                losses[side].append(loss)
                taken[side].append(times)
    apart = max(abs(one - other) for one, other in zip(*losses, strict=True))
    assert apart < 1e-3, losses
    write(
        {
            "what": f"training step, recipe `faces`, {fastest()}",
            "peer": "TensorFlow's own convolutions",
            "at_least": 1.25,
            **side_by_side(*(median(some[2:]) for some in taken)),  # the first ones choose and load what they run
            "times": steps - 2,
            "equal": f"{steps} losses, from {losses[0][0]:.4f} to {losses[0][-1]:.4f}, by {apart:.1e} at most",
        }
    )


def noise(count: int, side: int) -> npt.NDArray[np.uint8]:
    """Pixels that show nothing."""
    return np.random.default_rng(0).integers(256, size=(count, side, side, 3), dtype=np.uint8)


def main() -> None:
    """Images of the sizes that the networks are made for."""
    command_line(__doc__).parse_args()

    images = noise(_STEP, 160)
    embedding(images[:_IMAGES])
    student(noise(_IMAGES, _STUDENT_SIDE), noise(_IMAGES, _DLIB_SIDE))
    exporting(noise(_IMAGES, _STUDENT_SIDE))
    starting()
    training(images, _INCEPTION, "bfloat16", at_least=1.9)
    # As the recipe `own` fine-tunes.
    training(noise(64, _DLIB_SIDE), "dlib_resnet", fastest(), at_least=1.5)
    convolutions()


if __name__ == "__main__":
    main()

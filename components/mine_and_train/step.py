"""One compiled training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.mine_and_train.augmentation import Augmentation, augmented
from components.mine_and_train.losses import Loss, Measured

# (uint8 images [b, s, s, 3], int32 targets, int32 seed [2]) -> Measured
Step = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int32]], Measured]


def training_step(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    augmentation: Augmentation,
    *,
    targets: tf.TensorSpec,
    variables: list[Any],
    xla: bool = False,
) -> Step:
    """Compiles a step that moves the network's weights.

    Args:
        network: as `components.model.network.build` makes it.
        optimizer: of `components.mine_and_train.optimizer`, built on `variables`.
        loss: of the embeddings and the targets.
        augmentation: what is done to the images.
        targets: what the loss takes: LABELS or TRIPLETS of `components.mine_and_train.losses`.
        variables: what to train.
        xla: compile with XLA; every new shape of a batch costs a compilation.
    """

    @tf.function(jit_compile=xla)
    def moved(images: Any, wanted: Any, seed: Any) -> Measured:
        with tf.GradientTape() as tape:
            measured = loss(network(images, training=True), wanted, seed)
            objective = optimizer.scale_loss(measured.loss)
        optimizer.apply(tape.gradient(objective, variables), variables)
        return measured

    # Traced once, for any number of images: what is traced anew for a number rounds differently, and a stopped training
    # would not go on to the same weights.
    pixels, pair = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8), tf.TensorSpec([2], tf.int32)

    @tf.function(input_signature=[pixels, targets, pair])
    def step(images: Any, wanted: Any, seed: Any) -> Measured:
        return moved(augmented(images, seed, augmentation), wanted, seed)

    return step

"""One compiled training step, on one device or on several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.common.preprocessing import SCALING
from components.mine_and_train.augmentation import Augmentation, augment
from components.mine_and_train.devices import Shares, gather_embeddings, sum_over_devices
from components.mine_and_train.losses.loss import Loss, StepMetrics

# (uint8 images [b, s, s, 3], targets as the loss takes them, int32 seed [2]) -> StepMetrics
Step = Callable[[npt.NDArray[np.uint8], npt.NDArray[Any], npt.NDArray[np.int32]], StepMetrics]


def training_step(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    augmentation: Augmentation,
    *,
    targets: tf.TensorSpec,
    variables: list[Any],
    xla: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    scaling: str = SCALING,
) -> Step:
    """Compiles a step that moves the network's weights.

    Args:
        network: as `components.model.network.build` makes it, in the strategy's scope.
        optimizer: of `components.mine_and_train.optimizer`, built on `variables` in that scope.
        loss: of the embeddings and the targets.
        augmentation: what is done to the images.
        targets: what the loss takes: LABELS or TRIPLETS of `components.mine_and_train.losses.loss`, or embeddings of a
            teacher.
        variables: what to train.
        xla: compile with XLA; every new shape of a batch costs a compilation. On one device only.
        strategy: of `components.mine_and_train.devices`; one device when None.
        scaling: of the network; see `Preprocessing`.
    """
    # Traced once, for any number of images: what is traced anew for a number rounds differently, and a stopped training
    # would not go on to the same weights. And without AutoGraph, here and elsewhere: nothing branches on a tensor, and
    # its rewriting of our sources and of Keras's took 2 of the 6 seconds until a small network's first step.
    pixels, pair = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8), tf.TensorSpec([2], tf.int32)

    def change(images: Any, seed: Any) -> Any:
        return augment(images, seed, augmentation, scaling)

    @tf.function(autograph=False, jit_compile=xla)
    def update(images: Any, wanted: Any, seed: Any) -> StepMetrics:
        with tf.GradientTape() as tape:
            measured = loss(network(images, training=True), wanted, seed)
            objective = optimizer.scale_loss(measured.loss)
        optimizer.apply(tape.gradient(objective, variables), variables)
        return measured

    @tf.function(autograph=False, input_signature=[pixels, targets, pair])
    def step(images: Any, wanted: Any, seed: Any) -> StepMetrics:
        return update(change(images, seed), wanted, seed)

    if strategy is None or strategy.num_replicas_in_sync == 1:
        return step
    changed = tf.function(change, autograph=False, input_signature=[pixels, pair])
    return _shared_step(network, optimizer, loss, changed, variables, strategy)


def _shared_step(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    change: Callable[[Any, Any], Any],
    variables: list[Any],
    strategy: tf.distribute.Strategy,
) -> Step:
    """The same step, each device with its share of the images."""
    shares, devices = Shares(strategy), strategy.num_replicas_in_sync

    def on_device(images: Any, place: Any, wanted: Any, seed: Any) -> StepMetrics:
        with tf.GradientTape() as tape:
            measured = loss(gather_embeddings(network(images, training=True), place), wanted, seed)
            # Each device has the loss of the whole batch, and gets back the gradient of all of them.
            objective = optimizer.scale_loss(measured.loss / devices)
        # The optimiser clips what a device brings, and adds up then: each brings an equal part of the whole.
        gradients = [total / devices for total in sum_over_devices(tape.gradient(objective, variables))]
        optimizer.apply(gradients, variables)
        return measured

    on_all = tf.function(lambda *share: strategy.run(on_device, share), autograph=False, reduce_retracing=True)

    def step(images: npt.NDArray[np.uint8], wanted: npt.NDArray[Any], seed: npt.NDArray[np.int32]) -> StepMetrics:
        # Changed before it is dealt out: the randomness is that of one device.
        measured = on_all(*shares(change(images, seed)), tf.constant(wanted), tf.constant(seed))
        return StepMetrics(*map(shares.of_one, measured))

    return step

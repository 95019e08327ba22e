"""One compiled training step, on one device or on several."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.common.errors import UsageError
from components.mine_and_train.augmentation import Augmentation, augmented
from components.mine_and_train.losses import Loss, Measured

# (uint8 images [b, s, s, 3], int32 targets, int32 seed [2]) -> Measured
Step = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int32]], Measured]


def strategy_here() -> Any:
    """How to share the work: among the workers that TF_CONFIG names, else among this machine's GPUs, else not.

    Returns:
        A tf.distribute strategy; the default one, which shares nothing, when there is one device.

    Raises:
        UsageError: TF_CONFIG is not what Kubeflow's training operator writes.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        workers = json.loads(text)["cluster"].get("worker", []) if text else []
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(
            "TF_CONFIG does not describe a cluster.",
            received=text[:200],
            advice='It looks like {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.',
        ) from error
    if len(workers) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Whether this process is the one that writes results: the only one, or the first worker of TF_CONFIG."""
    task = json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {})
    return task.get("type", "worker") == "chief" or (task.get("type", "worker"), task.get("index", 0)) == ("worker", 0)


def synchronise(network: keras.Model) -> None:
    """Makes BatchNorm see the global batch, so that several devices compute what one would."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def training_step(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Loss,
    augmentation: Augmentation,
    *,
    targets: tf.TensorSpec,
    variables: list[Any],
    xla: bool = False,
    strategy: Any = None,
) -> Step:
    """Compiles a step that moves the network's weights.

    With several devices each pushes its share of the images, the embeddings are gathered, and the loss is that of the
    whole batch: mining is over the global batch, and the step is the one a single device would make.

    Args:
        network: as `components.model.network.build` makes it, in the strategy's scope.
        optimizer: of `components.mine_and_train.optimizer`, built on `variables` for as many replicas.
        loss: of the embeddings and the targets.
        augmentation: what is done to the images, before they are shared out.
        targets: what the loss takes: LABELS or TRIPLETS of `components.mine_and_train.losses`.
        variables: what to train.
        xla: compile with XLA; every new shape of a batch costs a compilation.
        strategy: of tf.distribute; the current one when None.
    """
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync

    # Traced once, for any number of images: what is traced anew for a number rounds differently, and a stopped training
    # would not go on to the same weights.
    pixels, seed = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8), tf.TensorSpec([2], tf.int32)

    @tf.function(jit_compile=xla)
    def on_replica(images: Any, wanted: Any, seed: Any) -> Measured:
        with tf.GradientTape() as tape:
            embeddings = network(images, training=True)
            if replicas > 1:
                embeddings = tf.distribute.get_replica_context().all_gather(embeddings, axis=0)
            measured = loss(embeddings, wanted, seed)
            # The gradient of the gathering sums what comes back from every replica: each has the whole loss.
            objective = optimizer.scale_loss(measured.loss / replicas)
        gradients = tape.gradient(objective, variables)
        if replicas > 1:
            # The optimiser clips first and sums over the replicas then: each brings an equal share of the sum.
            context = tf.distribute.get_replica_context()
            gradients = [total / replicas for total in context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)]
        optimizer.apply(gradients, variables)
        return measured

    if replicas == 1:

        @tf.function(input_signature=[pixels, targets, seed])
        def whole(images: Any, wanted: Any, seed: Any) -> Measured:
            return on_replica(augmented(images, seed, augmentation), wanted, seed)

        return whole

    change = tf.function(lambda images, seed: augmented(images, seed, augmentation), input_signature=[pixels, seed])
    on_all = tf.function(lambda *shares: strategy.run(on_replica, shares), reduce_retracing=True)

    def shared(images: npt.NDArray[np.uint8], wanted: npt.NDArray[np.int32], seed: npt.NDArray[np.int32]) -> Measured:
        changed = change(images, seed)
        cuts = np.linspace(0, len(images), replicas + 1).astype(int)

        def share(context: Any) -> Any:
            number = context.replica_id_in_sync_group
            return changed[cuts[number] : cuts[number + 1]]

        images_of_each = strategy.experimental_distribute_values_from_function(share)
        measured = on_all(images_of_each, tf.constant(wanted), tf.constant(seed))
        return Measured(*(strategy.experimental_local_results(value)[0] for value in measured))

    return shared

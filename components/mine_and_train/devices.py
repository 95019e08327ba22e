"""Several devices: the GPUs of this machine, or the workers that TF_CONFIG names, each with its share of a batch.

Whatever their number, a step is the one that a single device would make: embeddings are gathered before the loss, so
that triplets are found in the whole batch, and BatchNorm sees the statistics of all of it.
"""

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
from components.model.backbones.normalization import normalizations
from components.model.network import scale


def strategy_here() -> tf.distribute.Strategy:
    """How to share the work: among the workers of TF_CONFIG, else among this machine's GPUs, else not at all.

    With workers it waits until all of them are there, so call it before anything else of TensorFlow.

    Returns:
        A tf.distribute strategy; the default one, which shares nothing, when there is one device.

    Raises:
        UsageError: TF_CONFIG does not describe a cluster.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster = json.loads(text)["cluster"] if text else {}
        hosts = [*cluster.get("chief", []), *cluster.get("worker", [])]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(
            "TF_CONFIG does not describe a cluster.",
            received=text[:200],
            advice='It looks like {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.',
        ) from error
    if len(hosts) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the results: the only one, or the first of several workers."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    chiefs = resolver.cluster_spec().as_dict().get("chief", [])
    return resolver.task_type == "chief" or (not chiefs and resolver.task_id == 0)


def see_whole_batches(network: keras.Model) -> None:
    """Makes BatchNorm compute its statistics over the shares of all devices."""
    for layer in normalizations(network):
        layer.synchronized = True


def sum_over_devices(values: Any) -> Any:
    """Sums tensors over the devices, from within one."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gather_embeddings(embeddings: Any, place: Any) -> Any:
    """The embeddings of all devices, from within one.

    Args:
        embeddings: float32 [share, size], of this device's share of the batch.
        place: int32 [2]: how many images come before this share and after it.

    Returns:
        float32 [batch, size].
    """
    return sum_over_devices(tf.pad(embeddings, [[place[0], place[1]], [0, 0]]))


class Shares:
    """Deals batches out to the devices of a strategy, in equal parts as far as that goes."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy

    def __call__(self, images: Any) -> tuple[Any, Any]:
        """The images of each device, and the place of its share in the batch; see `gather_embeddings`."""
        cuts = np.linspace(0, len(images), self._strategy.num_replicas_in_sync + 1).astype(np.int32)

        def share(context: tf.distribute.InputReplicaContext) -> Any:
            number = context.replica_id_in_sync_group
            return tf.convert_to_tensor(images[cuts[number] : cuts[number + 1]])

        def place(context: tf.distribute.InputReplicaContext) -> Any:
            number = context.replica_id_in_sync_group
            return tf.constant([cuts[number], len(images) - cuts[number + 1]], tf.int32)

        deal = self._strategy.experimental_distribute_values_from_function
        return deal(share), deal(place)

    def of_one(self, values: Any) -> Any:
        """What the first device of this process returned: where all returned the same."""
        return self._strategy.experimental_local_results(values)[0]


class SharedEmbedder:
    """`components.model.network.Embedder` on several devices: all workers get the same bits, and so mine the same."""

    def __init__(self, network: keras.Model, batch_size: int, strategy: tf.distribute.Strategy, scaling: str) -> None:
        self._batch_size = batch_size
        self._shares = Shares(strategy)

        def embed(images: Any, place: Any) -> Any:
            return gather_embeddings(network(scale(images, scaling), training=False), place)

        self._call = tf.function(lambda *share: strategy.run(embed, share), autograph=False, reduce_retracing=True)

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embeds uint8 images [n, s, s, 3]; float32 [n, size]."""
        starts = range(0, len(images), self._batch_size)
        parts = [self._call(*self._shares(images[start : start + self._batch_size])) for start in starts]
        return np.concatenate([self._shares.of_one(part).numpy() for part in parts])


def agreement(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """A function that tells whether any worker says yes: they stop at the same step, or would wait for each other."""
    if strategy.cluster_resolver is None or strategy.num_replicas_in_sync == 1:
        return lambda said: said

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.float32)])
    def votes(said: Any) -> Any:
        return strategy.reduce("SUM", strategy.run(tf.identity, (said,)), axis=None)

    return lambda said: bool(votes(tf.constant(float(said))) > 0)

"""The statistics that BatchNorm uses in inference: those of the network as it is, whenever it is looked at.

Moving averages, the usual way, are of the weights of many steps before, of images as augmentation changed them, and
with a moving average of the weights of others. Each layer adds its error to those before: while a deep network learns
fast, what it embeds by them can be one point. So the statistics are gathered from faces of the training split before
anything is mined, scored or saved ("precise BatchNorm"; Wu and Johnson, 2021, "Rethinking 'Batch' in BatchNorm",
section 3).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.common.batches import ManyImages
from components.common.preprocessing import SCALING
from components.mine_and_train.sampler import sample_evenly
from components.model.backbones.normalization import normalizations
from components.model.network import scale

# Faces to gather them from: in every round for what is mined, where each costs its share of the round; and for what is
# scored and kept, where the choice of so few would move an accuracy by 0.004.
TO_MINE, TO_KEEP = 256, 2048


class Statistics:
    """Gathers BatchNorm's statistics, always from the same faces: a function of the weights and nothing else.

    Args:
        network: as `components.model.network.build` makes it.
        images: uint8 [n, s, s, 3], the crops of the training split.
        labels: int64 [n], their identities.
        batch_size: the most images that the network sees at a time.
        seed: of the choice of faces.
        scaling: of the network; see `Preprocessing`.
    """

    def __init__(
        self,
        network: keras.Model,
        images: ManyImages,
        labels: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        scaling: str = SCALING,
    ) -> None:
        self._chosen = sample_evenly(labels, TO_KEEP, np.random.default_rng(seed))
        self._images = images
        self._batch_size = batch_size
        self._layers = normalizations(network)

        def see(pixels: Any) -> None:
            network(scale(pixels, scaling), training=True)

        seen = tf.TensorSpec([None, *network.input_shape[1:]], tf.uint8)
        self._see = tf.function(see, autograph=False, input_signature=[seen])

    def gather(self, faces: int) -> None:
        """Sets each layer's mean and variance to those that it sees, with the weights as they are.

        Args:
            faces: from how many, `TO_MINE` or `TO_KEEP`.
        """
        if not self._layers:
            return
        sums: list[Any] = [0.0] * len(self._layers)
        chosen = self._chosen[:faces]
        for batch in np.array_split(chosen, -(-len(chosen) // self._batch_size)):
            self._see(tf.constant(self._images[batch]))
            for number, layer in enumerate(self._layers):
                mean, variance = (np.asarray(each, np.float64) for each in (layer.moving_mean, layer.moving_variance))
                sums[number] += len(batch) * np.stack([mean, variance + mean**2])
        for layer, total in zip(self._layers, sums, strict=True):
            mean, square = total / len(chosen)
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(square - mean**2)

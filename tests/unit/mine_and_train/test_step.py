"""The training step, on TensorFlow itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.losses.contrastive import contrastive_loss
from components.mine_and_train.losses.loss import LABELS, TRIPLETS
from components.mine_and_train.losses.online_triplet import online_triplet_loss
from components.mine_and_train.losses.triplet import triplet_loss
from components.mine_and_train.optimizer import Optimization, optimizer_for
from components.mine_and_train.step import training_step
from components.mine_and_train.strategy import Strategy

WHO = np.repeat(np.arange(3, dtype=np.int32), 4)
ALL_TRIPLETS = np.array(
    [
        (a, p, n)
        for a in range(12)
        for p in range(12)
        for n in range(12)
        if a != p and WHO[a] == WHO[p] and WHO[a] != WHO[n]
    ],
    np.int32,
)
LOSSES = {
    "mined": (triplet_loss(0.2), TRIPLETS, ALL_TRIPLETS),
    "of the batch": (online_triplet_loss(Strategy("all", "all", 0.2)), LABELS, WHO),
    "contrasts": (contrastive_loss(0.1), LABELS, WHO),
}


def tiny_network():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Dense(8)(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.UnitNormalization(axis=-1, dtype="float32")(x))


def twelve_faces():
    rng = np.random.default_rng(0)
    people = rng.integers(256, size=(3, 8, 8, 3))
    return np.clip(people.repeat(4, axis=0) + rng.normal(0, 60, (12, 8, 8, 3)), 0, 255).astype(np.uint8)


def step_of(network, name, *, xla=False):
    loss, targets, _ = LOSSES[name]
    variables = network.trainable_variables
    optimizer = optimizer_for(Optimization(learning_rate=0.01), variables)
    return training_step(network, optimizer, loss, Augmentation(), targets=targets, variables=variables, xla=xla)


@pytest.mark.parametrize("name", LOSSES)
def test_steps_lower_the_loss(name):
    step = step_of(tiny_network(), name)
    losses = [float(step(twelve_faces(), LOSSES[name][2], np.array([0, i], np.int32)).loss) for i in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_triplets_mined_beforehand_and_in_the_batch_move_the_weights_alike():
    moved = []
    for name in ("mined", "of the batch"):
        network = tiny_network()
        step_of(network, name)(twelve_faces(), LOSSES[name][2], np.array([0, 0], np.int32))
        moved.append(network.get_weights())
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "mined" else pytest.mark.long) for name in LOSSES]
)
def test_xla_moves_the_weights_as_the_plain_step_does(name):
    moved = []
    for xla in (False, True):
        network = tiny_network()
        step_of(network, name, xla=xla)(twelve_faces(), LOSSES[name][2], np.array([0, 0], np.int32))
        moved.append(network.get_weights())
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)

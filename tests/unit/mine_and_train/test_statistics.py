"""What is mined, scored and saved is the network as it is: BatchNorm's statistics are those of its weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.mine_and_train import train
from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.optimizer import Optimization
from components.mine_and_train.statistics import TO_KEEP
from components.mine_and_train.train import Training
from components.model.network import Architecture, Embedder, build, scale

LABELS = np.repeat(np.arange(12), 4)
PEOPLE = np.random.default_rng(0).integers(0, 256, (12, 48, 48, 3))
IMAGES = np.clip(PEOPLE[LABELS] + np.random.default_rng(1).normal(0, 30, (48, 48, 48, 3)), 0, 255).astype(np.uint8)
SHORT = Hyperparameters(rounds=1, faces_per_identity=4, batch_size=20, max_batches=1)
FAST = Hyperparameters(rounds=2, faces_per_identity=4, batch_size=48, max_batches=4)
AVERAGED = Hyperparameters(
    rounds=2,
    faces_per_identity=4,
    batch_size=48,
    max_batches=4,
    loss="online-triplet",
    optimization=Optimization(ema=0.8),
)


def training_of(backbone, recipe, images=IMAGES, members=1):
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    network = build(Architecture(backbone, 48, 8 * members, members))
    return Training(network, images, LABELS, recipe, members=members)


def spread(embeddings):
    centre = embeddings.mean(axis=0)
    return 2 - 2 * centre @ centre


@pytest.mark.parametrize(
    ("backbone", "recipe", "members"),
    [
        pytest.param("mobilefacenet", FAST, 1, marks=pytest.mark.long),
        pytest.param("small_resnet", AVERAGED, 1, marks=pytest.mark.long),
        pytest.param("small_resnet", FAST, 2, marks=pytest.mark.long),
        ("small_resnet", FAST, 1),
    ],
)
def test_after_a_few_large_steps_mining_and_inference_see_what_training_sees(backbone, recipe, members, monkeypatch):
    mined = []

    def mine(embeddings, *given, mine=train.mine):
        mined.append(spread(embeddings))
        return mine(embeddings, *given)

    monkeypatch.setattr(train, "mine", mine)
    training = training_of(backbone, recipe, members=members)
    rounds = [done for done in training.run() if done is not None]
    assert len(mined) == 2 * (recipe.loss == "triplet")
    assert min([*mined, *(done.spread for done in rounds)]) > 1
    with training.evaluation_weights():
        inferred = Embedder(training.network)(IMAGES)
        seen = np.asarray(training.network(scale(IMAGES), training=True))
    np.testing.assert_allclose(inferred, seen, atol=1e-3)
    assert spread(inferred) > 1


def test_statistics_of_several_batches_are_those_of_all_their_faces():
    training = training_of("small_resnet", SHORT)
    training._statistics.gather(TO_KEEP)
    first = next(layer for layer in training.network.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(training.network.input, first.input)(scale(IMAGES))  # no statistics have gone into it
    np.testing.assert_allclose(first.moving_mean, np.mean(before, axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(first.moving_variance, np.var(before, axis=(0, 1, 2)), rtol=1e-4)


def test_a_round_without_triplets_is_no_collapse_and_leaves_the_network():
    recipe = Hyperparameters(
        rounds=1, faces_per_identity=4, batch_size=48, max_batches=4, optimization=Optimization(ema=0.9)
    )
    training = training_of("small_resnet", recipe, PEOPLE[LABELS].astype(np.uint8))
    (done,) = training.run()
    assert done.triplets_found == done.step == 0
    assert done.spread > 1
    with training.evaluation_weights():  # no step, no average: that of nothing would be zeros
        assert spread(Embedder(training.network)(IMAGES)) > 1

"""Optimisers against their update rules in NumPy; schedules at given points; the moving average of the weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.common.errors import UsageError
from components.mine_and_train.muon import orthogonal
from components.mine_and_train.optimizer import Optimization, averaged_weights, optimizer_for, rate

START = np.array([[0.5, -1.0], [2.0, 0.1]], np.float32)
GRADIENTS = [np.array([[0.1, -0.2], [0.3, 0.4]], np.float32), np.array([[-0.3, 0.1], [0.2, -0.1]], np.float32)]
RATE = 0.01


def sgd(w, gradients):
    velocity = 0
    for gradient in gradients:
        velocity = 0.9 * velocity - RATE * gradient
        w = w + velocity
    return w


def rmsprop(w, gradients):
    square = 0
    for gradient in gradients:
        square = 0.9 * square + 0.1 * gradient**2
        w = w - RATE * gradient / np.sqrt(square + 1e-7)
    return w


def adam(w, gradients, decay=0.0):
    mean = square = 0
    for step, gradient in enumerate(gradients, 1):
        w = w - RATE * decay * w
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        w = w - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-7)
    return w


def adagrad(w, gradients):
    square = 0.1
    for gradient in gradients:
        square = square + gradient**2
        w = w - RATE * gradient / np.sqrt(square + 1e-7)
    return w


def newton_schulz(x):
    """The step by its definition (Jordan, 2024), in float64."""
    x = x / np.linalg.norm(x)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x - 4.7750 * gram @ x + 2.0315 * gram @ gram @ x
    return x


def muon(w, gradients):
    momentum = 0
    for gradient in gradients:
        momentum = 0.9 * momentum + gradient
        matrix = (gradient + 0.9 * momentum).astype(float).reshape(-1, w.shape[-1])
        w = w - RATE * 0.2 * np.sqrt(max(matrix.shape)) * newton_schulz(matrix).reshape(w.shape)
    return w


def stepped(optimization, gradients=GRADIENTS, name="kernel", start=START):
    variable = keras.Variable(start, name=name)
    optimizer = optimizer_for(optimization, [variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return variable.numpy()


@pytest.mark.parametrize("rule", [sgd, rmsprop, adam, adagrad, muon], ids=lambda rule: rule.__name__)
def test_an_optimiser_follows_its_rule(rule):
    moved = stepped(Optimization(optimizer=rule.__name__, learning_rate=RATE))
    np.testing.assert_allclose(moved, rule(START, GRADIENTS), rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 8, 40), (5, 40), (40, 5)])
def test_muon_takes_a_kernel_of_any_shape_for_a_matrix(shape):
    rng = np.random.default_rng(0)
    start, *gradients = rng.normal(size=(3, *shape)).astype(np.float32)
    moved = stepped(Optimization(optimizer="muon", learning_rate=RATE), gradients, start=start)
    np.testing.assert_allclose(moved, muon(start, gradients), atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), [("bias", (4,)), ("kernel", (3, 3, 4, 1)), ("centres", (6, 4))])
def test_muon_moves_what_is_no_matrix_by_adam(name, shape):
    rng = np.random.default_rng(0)
    start, *gradients = rng.normal(size=(3, *shape)).astype(np.float32)
    moved = stepped(Optimization(optimizer="muon", learning_rate=RATE), gradients, name, start)
    np.testing.assert_allclose(moved, adam(start, gradients), rtol=1e-4)


def test_orthogonal_brings_singular_values_near_1_and_keeps_the_singular_vectors():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(20, 50)) * np.logspace(0, -1, 20)[:, None]
    result = orthogonal(matrix.astype(np.float32)).numpy()
    left, before, right = np.linalg.svd(matrix, full_matrices=False)
    within = left.T @ result @ right.T
    assert before.max() > 10 * before.min()
    assert (np.diag(within) > 0.65).all() and (np.diag(within) < 1.25).all()
    np.testing.assert_allclose(within - np.diag(np.diag(within)), 0, atol=1e-3)


def test_weight_decay_is_decoupled_and_of_kernels_only():
    decayed = Optimization(optimizer="adamw", learning_rate=RATE, weight_decay=0.5)
    np.testing.assert_allclose(stepped(decayed), adam(START, GRADIENTS, decay=0.5), rtol=1e-4)
    np.testing.assert_array_equal(stepped(decayed, name="centres"), stepped(decayed))
    np.testing.assert_allclose(stepped(decayed, name="bias"), adam(START, GRADIENTS), rtol=1e-4)
    plain, decayed = (Optimization(optimizer="muon", learning_rate=RATE, weight_decay=decay) for decay in (0.0, 0.5))
    first = GRADIENTS[:1]
    np.testing.assert_allclose(stepped(decayed, first), stepped(plain, first) - RATE * 0.5 * START, rtol=1e-5)
    np.testing.assert_array_equal(stepped(decayed, first, "bias"), stepped(plain, first, "bias"))


def test_clipping_bounds_the_norm_of_all_gradients():
    clipped = Optimization(optimizer="sgd", learning_rate=1.0, momentum=0.0, clip_norm=0.1)
    step = stepped(clipped, GRADIENTS[:1]) - START
    np.testing.assert_allclose(step, -0.1 * GRADIENTS[0] / np.linalg.norm(GRADIENTS[0]), rtol=1e-4)


def test_the_moving_average_is_lent_and_the_weights_come_back_to_the_bit():
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    variables = network.trainable_variables
    variables[0].assign(START)
    optimizer = optimizer_for(Optimization(optimizer="sgd", learning_rate=1.0, momentum=0.0, ema=0.8), variables)
    weights = average = START
    for step, gradient in enumerate(GRADIENTS):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], variables)
        weights = weights - gradient
        average = 0.8 * average + 0.2 * weights if step else weights  # it begins after the first step
    last = variables[0].numpy()
    with pytest.raises(KeyError), averaged_weights(optimizer, network):
        np.testing.assert_allclose(variables[0].numpy(), average, rtol=1e-5)
        raise KeyError
    np.testing.assert_array_equal(variables[0].numpy(), last)
    np.testing.assert_allclose(last, weights, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {0.0: 1.0, 0.5: 1.0, 0.99: 1.0}),
        ({"schedule": "step"}, {0.0: 1.0, 0.59: 1.0, 0.6: 0.1, 0.9: 0.01}),
        ({"schedule": "cosine"}, {0.0: 1.0, 0.5: 0.5, 1.0: 0.0}),
        ({"schedule": "cosine", "warmup": 0.2}, {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 0.6: 0.5, 1.0: 0.0}),
    ],
)
def test_schedules_at_given_points(settings, expected):
    optimization = Optimization(learning_rate=1.0, **settings)
    assert {point: rate(optimization, point) for point in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"weight_decay": -1.0}, {"warmup": 1.0}, {"ema": 1.0}, {"clip_norm": float("nan")}],
)
def test_numbers_outside_their_range_are_refused_by_name(wrong):
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))}"):
        Optimization(**wrong).check()
    Optimization().check()

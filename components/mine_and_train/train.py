"""The core loop: sample identities, embed them, mine, make one pass over what was mined; again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.mine_and_train.batches import batches
from components.mine_and_train.mining import count_hard_triplets, squared_distances
from components.mine_and_train.sampler import sample_round
from components.mine_and_train.step import training_step
from components.model.network import Embedder


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        rounds: how often to sample, embed, mine and train.
        identities_per_round: identities sampled for a round.
        faces_per_identity: at most so many faces of each.
        margin: of the triplet loss, in squared distance.
        learning_rate: RMSProp's, in the first round.
        schedule: "constant", or "cosine": the learning rate falls to 0 along half a cosine over the rounds
            (Loshchilov and Hutter, 2017, section 3, without restarts).
        jitter: see `components.mine_and_train.step.augmented`.
        batch_size: the most images in a training step.
        max_batches: the most training steps in a round; beyond it the pass is cut short, at random and said so.
        seed: of every random choice.
    """

    rounds: int
    identities_per_round: int
    faces_per_identity: int
    margin: float
    learning_rate: float
    schedule: str
    jitter: float
    batch_size: int
    max_batches: int
    seed: int


@dataclass(frozen=True)
class Round:
    """What a round saw and did.

    Args:
        number: from 1.
        images: embedded and mined among.
        triplets_mined: hard triplets among them.
        triplets_trained: those that the pass reached before `max_batches`.
        batches: training steps.
        loss: mean over the round's steps; 0 when nothing was hard.
        positive_distance: mean d(a,p)^2 of the triplets trained on, over steps, as seen in training.
        negative_distance: likewise d(a,n)^2.
        seconds: of the whole round.
    """

    number: int
    images: int
    triplets_mined: int
    triplets_trained: int
    batches: int
    loss: float
    positive_distance: float
    negative_distance: float
    seconds: float


def learning_rate(recipe: Recipe, number: int) -> float:
    """The learning rate of a round, counted from 1."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return recipe.learning_rate * (1 + math.cos(math.pi * (number - 1) / recipe.rounds)) / 2


def train(
    network: keras.Model, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], recipe: Recipe
) -> Iterator[Round]:
    """Trains the network in place, yielding after each round.

    Args:
        network: as `components.model.network.build` makes it.
        images: uint8 [n, s, s, 3], the crops of the training split.
        labels: int64 [n], their identities.
        recipe: how to train.
    """
    embed = Embedder(network, recipe.batch_size)
    optimizer = keras.optimizers.RMSprop(recipe.learning_rate)
    step = training_step(network, optimizer, recipe.margin, recipe.jitter)
    for number in range(1, recipe.rounds + 1):
        began = time.perf_counter()
        # A generator of its own for each round: what a round does depends on its number, not on the rounds before.
        rng = np.random.default_rng([recipe.seed, number])
        optimizer.learning_rate.assign(learning_rate(recipe, number))
        chosen = sample_round(labels, recipe.identities_per_round, recipe.faces_per_identity, rng)
        distances = squared_distances(embed(images[chosen]))
        losses, trained = [], 0
        for batch in islice(batches(distances, labels[chosen], recipe.batch_size, rng), recipe.max_batches):
            seed = tf.constant(rng.integers(2**31, size=2), tf.int32)
            losses.append(step(tf.constant(images[chosen[batch.images]]), tf.constant(batch.triplets), seed))
            trained += len(batch.triplets)
        loss, positive, negative = np.mean(losses, axis=0) if losses else (0.0, 0.0, 0.0)
        yield Round(
            number=number,
            images=len(chosen),
            triplets_mined=count_hard_triplets(distances, labels[chosen]),
            triplets_trained=trained,
            batches=len(losses),
            loss=float(loss),
            positive_distance=float(positive),
            negative_distance=float(negative),
            seconds=time.perf_counter() - began,
        )


def said(done: Round, rounds: int) -> str:
    """A round in one line."""
    left = done.seconds * (rounds - done.number)
    share = f", {done.triplets_trained:,} trained on" if done.triplets_trained < done.triplets_mined else ""
    return (
        f"round {done.number}/{rounds}: {done.triplets_mined:,} hard triplets among {done.images:,} faces{share}; "
        f"loss {done.loss:.4f}, d(a,p)^2 {done.positive_distance:.3f}, d(a,n)^2 {done.negative_distance:.3f}; "
        f"{done.seconds:.1f} s, about {left:.0f} s left"
    )


def record(recipe: Recipe, rounds: list[Round]) -> dict[str, object]:
    """Recipe and rounds as plain values, without times: the same training gives the same record."""
    history = [{name: value for name, value in asdict(done).items() if name != "seconds"} for done in rounds]
    return {"recipe": asdict(recipe), "rounds": history}

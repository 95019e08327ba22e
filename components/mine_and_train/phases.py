"""The phases of a training: rounds that classify identities first, and those of the loss that is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from components.mine_and_train import optimizer as optimizers
from components.mine_and_train.centres import SampledStep
from components.mine_and_train.heads import Head, first_centres
from components.mine_and_train.hyperparameters import Hyperparameters
from components.mine_and_train.losses import CLASSIFICATION, DISTILLATION, LOSSES, Objective
from components.mine_and_train.losses.classification import classification_loss
from components.mine_and_train.losses.distillation import distillation_loss
from components.mine_and_train.losses.loss import LABELS, TRIPLETS, Loss, mean_over_members
from components.mine_and_train.step import Step, training_step
from components.model.network import without_unit_length


@dataclass(frozen=True)
class Phase:
    """The rounds of one loss: its compiled step, the optimiser of what it trains, and what a head is made of.

    Args:
        head: variables, and NumPy arrays.
    """

    objective: Objective
    step: Step
    optimizer: keras.optimizers.Optimizer
    head: tuple[Any, ...] = ()


def build_phases(
    network: keras.Model,
    how: Hyperparameters,
    identities: int,
    members: int,
    strategy: tf.distribute.Strategy,
    scaling: str,
    taught_size: int | None,
) -> Iterator[Phase]:
    """The phases of a training: classification where it begins with one, then its loss.

    Args:
        network: to be trained; in the scope of the strategy, as what is built here.
        how: to train.
        identities: in the training split, for a classification.
        members: of the network's architecture.
        strategy: of `components.mine_and_train.devices`.
        scaling: what the network sees of pixels; see `components.common.preprocessing.Preprocessing`.
        taught_size: length of a teacher's embeddings, which are the only phase then; None without one.
    """

    def phase(objective: Objective, loss: Loss, targets: tf.TensorSpec, head: Head | None = None) -> Phase:
        trained = without_unit_length(network) if head else network
        variables = network.trainable_variables + ([head.centres] if head else [])
        optimizer = optimizers.optimizer_for(
            how.optimization,
            variables,
            scale_loss=any(layer.compute_dtype == "float16" for layer in network.layers),
            devices=strategy.num_replicas_in_sync,
        )
        step = training_step(
            trained,
            optimizer,
            loss,
            how.augmentation,
            targets=targets,
            variables=variables,
            xla=how.xla,
            strategy=strategy,
            scaling=scaling,
        )
        return Phase(objective, step, optimizer, tuple(head.variables) if head else ())

    def classification() -> Phase:
        kind = how.classification
        centres = first_centres(identities, kind.subcentres, network.output_shape[-1], how.seed)
        chosen = kind.in_a_step(identities, how.batch_size)
        head = Head(kind, centres[:chosen])
        whole = phase(CLASSIFICATION, classification_loss(head), LABELS, head)
        if chosen == identities:
            return whole
        sampled = SampledStep(whole.step, head.centres, whole.optimizer, centres)
        return replace(whole, step=sampled, head=(*whole.head, *sampled.tables))

    if taught_size is not None:
        targets = tf.TensorSpec([None, taught_size], tf.float32)
        yield phase(DISTILLATION, mean_over_members(distillation_loss, members), targets)
        return
    objective = LOSSES[how.loss]
    if how.classification_rounds or objective.classified:
        yield classification()
    if objective.classified:
        return
    loss = importlib.import_module(objective.module).build(how)
    yield phase(objective, mean_over_members(loss, members), TRIPLETS if objective.mined else LABELS)

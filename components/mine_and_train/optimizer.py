"""How the weights move: the optimiser, its learning rate along the training, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.common.errors import UsageError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Optimization:
    """How the weights move."""

    optimizer: Literal["rmsprop", "adam", "adamw", "adagrad", "sgd", "muon"] = "rmsprop"
    """The optimiser: RMSProp, Adam, AdamW, Adagrad, gradient descent with momentum, or Muon, which needs fewer
    steps."""
    learning_rate: float = 0.001
    """The highest learning rate."""
    schedule: Literal["constant", "step", "cosine"] = "constant"
    """How the learning rate changes over the training: constant; step, times 0.1 at 60 % and at 85 % of the steps; or
    cosine, which falls to 0 along half a cosine (Loshchilov and Hutter, 2017, section 3, without restarts)."""
    warmup: float = 0.0
    """Share of the training in which the learning rate rises linearly from 0, before the schedule."""
    momentum: float = 0.9
    """Momentum of the optimisers sgd and muon."""
    weight_decay: float = 0.0
    """Decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2), times the learning rate at each step; for
    convolution and dense kernels and the centres of a classification only."""
    clip_norm: float = 0.0
    """The largest norm of all gradients together; 0 does not clip."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights that is scored and saved; 0 saves the weights."""

    @property
    def kept(self) -> int:
        """How many numbers the optimiser keeps of each number of a classification's centres, at most."""
        return _KEPT[self.optimizer]

    def check(self) -> None:
        """Raises UsageError for a number outside its range."""
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise UsageError("--learning_rate must be positive.", received=self.learning_rate)
        for name in ("weight_decay", "clip_norm"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"--{name} must not be negative.", received=getattr(self, name))
        for name in ("warmup", "momentum", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"--{name} is from 0 to less than 1.", received=getattr(self, name), advice="0 switches it off."
                )


_DECAYED = ("kernel", "centres")
# Numbers that an optimiser keeps of each number of a classification's centres, besides their moving average.
_KEPT = {"rmsprop": 1, "adam": 2, "adamw": 2, "adagrad": 1, "sgd": 1, "muon": 2}
_STEPS = (0.6, 0.85)
_STEP_FACTOR = 0.1


def rate(optimization: Optimization, progress: float) -> float:
    """The learning rate at a point of the training, `progress` from 0 to 1."""
    if progress < optimization.warmup:
        return optimization.learning_rate * progress / optimization.warmup
    if optimization.schedule == "constant":
        return optimization.learning_rate
    if optimization.schedule == "step":
        return optimization.learning_rate * _STEP_FACTOR ** sum(progress >= point for point in _STEPS)
    after = (progress - optimization.warmup) / (1 - optimization.warmup)
    return optimization.learning_rate * (1 + math.cos(math.pi * after)) / 2


def optimizer_for(
    optimization: Optimization, variables: list[Any], *, scale_loss: bool = False, devices: int = 1
) -> keras.optimizers.Optimizer:
    """Builds the optimiser of some variables.

    Args:
        optimization: how the weights are to move.
        variables: what will be trained.
        scale_loss: for float16: scales the loss so that small gradients do not vanish.
        devices: how many bring an equal part of the gradient each, to be clipped before they are added up.
    """
    import keras

    from components.mine_and_train.muon import Muon

    kinds = {
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "adagrad": keras.optimizers.Adagrad,
        "sgd": keras.optimizers.SGD,
        "muon": Muon,
    }
    options: dict[str, Any] = {"momentum": optimization.momentum} if optimization.optimizer in ("sgd", "muon") else {}
    if optimization.optimizer == "muon":
        options |= {"adam_weight_decay": optimization.weight_decay}
    if optimization.ema:
        options |= {"use_ema": True, "ema_momentum": optimization.ema}
    optimizer = kinds[optimization.optimizer](
        learning_rate=optimization.learning_rate,
        weight_decay=optimization.weight_decay or (0.0 if optimization.optimizer in ("adamw", "muon") else None),
        global_clipnorm=optimization.clip_norm / devices or None,
        **options,
    )
    if optimization.weight_decay:
        optimizer.exclude_from_weight_decay([variable for variable in variables if variable.name not in _DECAYED])
    if scale_loss:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


@contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer, network: keras.Model) -> Iterator[None]:
    """Within the block the network has the moving average of its weights, if its optimiser keeps one.

    Before the first step there is no average. Afterwards every trained weight is what it was, to the bit.
    """
    plain = getattr(optimizer, "inner_optimizer", optimizer)
    if not plain.use_ema or plain.iterations.numpy() == 0:
        yield
        return
    own = {id(variable) for variable in network.trainable_variables}
    pairs = [
        (variable, average)
        for variable, average in zip(plain._trainable_variables, plain._model_variables_moving_average, strict=True)
        if id(variable) in own
    ]
    former = [variable.numpy() for variable, _ in pairs]
    for variable, average in pairs:
        variable.assign(average)
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, former, strict=True):
            variable.assign(value)

"""BatchNorm as every network here uses it."""

from __future__ import annotations

from typing import Any

from keras import layers

# Rounds are short: the moving averages that inference uses must follow within one.
MOMENTUM = 0.95


def normalized(x: Any, *, scale: bool = True, name: str | None = None) -> Any:
    """BatchNorm over all axes but the last; with a gamma only when `scale` is true."""
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-3, scale=scale, name=name)(x)

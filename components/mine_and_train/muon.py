"""Muon: an optimiser that moves all directions of a weight matrix equally far, where Adam follows the strongest."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Of the polynomial that brings singular values near 1 (Jordan, 2024): those from 0.01 on in five steps.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
# The root mean square of Adam's steps: so both move by one learning rate (Liu et al., 2025, section 2.2).
_STEP_SIZE = 0.2


class Muon(keras.optimizers.Muon):  # type: ignore[misc]  # keras has no types
    """Keras' Muon, with the kernels of convolutions as matrices too: [height * width * channels, filters].

    What is no matrix moves by Adam at the same learning rate: biases, BatchNorm, and depthwise kernels, whose channels
    do not mix. So do a classification's centres.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return not (variable.name == "kernel" and variable.shape[-1] > 1)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, gradient + m * (self.momentum - 1))
        matrix = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        step = lr * _STEP_SIZE * max(matrix.shape) ** 0.5 * orthogonal(matrix)
        self.assign_sub(variable, ops.reshape(step, variable.shape))


def orthogonal(matrix: Any) -> Any:
    """Brings the singular values of a matrix near 1 and keeps its singular vectors.

    A Newton-Schulz step is X <- (a I + b X X' + c (X X')^2) X. Here the polynomials of X X' are multiplied with each
    other, and with X at the end: a kernel of 256 filters has 2,304 columns, and these products are of 256.

    Args:
        matrix: float32 [m, n].

    Returns:
        float32 [m, n].
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = ops.transpose(matrix) if tall else matrix
    wide = wide / (ops.norm(wide) + 1e-7)
    a, b, c = _COEFFICIENTS
    gram, identity = ops.matmul(wide, ops.transpose(wide)), ops.eye(wide.shape[0])
    product = identity
    for _ in range(_STEPS):
        polynomial = a * identity + b * gram + c * ops.matmul(gram, gram)
        product = ops.matmul(polynomial, product)
        gram = ops.matmul(ops.matmul(polynomial, gram), polynomial)
    result = ops.matmul(product, wide)
    return ops.transpose(result) if tall else result

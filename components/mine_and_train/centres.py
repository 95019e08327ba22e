"""Centres of so many identities that a step sees only some of them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from components.mine_and_train.losses.loss import StepMetrics
from components.mine_and_train.step import Step


class SampledStep:
    """A step that sees the centres of its own faces and of other identities at random (An et al., 2021 and 2022).

    All centres, and what the optimiser keeps of each, lie in tables in the machine's memory. Those that take part are
    copied into variables before a step, and back after it; what is kept of the others stays as it is, without decay.

    Args:
        step: on the variables, whose targets are LABELS.
        centres: the variable of the centres in a step, float32 [chosen, subcentres, size].
        optimizer: built on it.
        table: float32 [identities, subcentres, size], all centres; changed in place.

    Attributes:
        tables: of the centres and of all that the optimiser keeps of them, likewise.
    """

    def __init__(
        self,
        step: Step,
        centres: keras.Variable,
        optimizer: keras.optimizers.Optimizer,
        table: npt.NDArray[np.float32],
    ) -> None:
        self._step, self._chosen, self._identities = step, centres.shape[0], len(table)
        # Keras names them so. Nobody asks for the moving average of centres: they are no part of the network.
        kept = [each for each in optimizer.variables if each.name.startswith(f"{centres.name}_")]
        self._variables = [centres, *(each for each in kept if not each.name.endswith("_average"))]
        self.tables = [table]
        for variable in self._variables[1:]:
            self.tables.append(np.zeros(table.shape, np.float32))  # takes no memory before it is written to
            if first := np.asarray(variable).flat[0]:
                self.tables[-1] += first

    def __call__(
        self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32], seed: npt.NDArray[np.int32]
    ) -> StepMetrics:
        """Makes the step; which identities take part depends on the labels and the seed alone."""
        chosen = choose(self._identities, self._chosen, labels, seed)
        for variable, table in zip(self._variables, self.tables, strict=True):
            variable.assign(table[chosen])
        measured = self._step(images, np.searchsorted(chosen, labels).astype(np.int32), seed)
        for variable, table in zip(self._variables, self.tables, strict=True):
            table[chosen] = np.asarray(variable)
        return measured


def choose(identities: int, count: int, labels: npt.NDArray[Any], seed: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Chooses identities: all that have a label, and others at random, each as likely.

    Args:
        identities: how many there are.
        count: how many to choose; at least as many as there are different labels.
        labels: int [n], identities.
        seed: non-negative numbers.

    Returns:
        int64 [count], ascending, none twice.
    """
    own = np.unique(labels)
    others = np.delete(np.arange(identities), own)
    drawn = np.random.default_rng(seed).choice(others, count - len(own), replace=False, shuffle=False)
    return np.sort(np.concatenate([own, drawn]))

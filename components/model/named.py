"""Weights that are found by name, whatever stores them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from components.common.errors import UsageError
from components.common.preprocessing import SCALING, STANDARDISED
from components.model.checkpoint import check_values

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Pixels:
    """What a network of others was trained to see of pixels from 0 to 255.

    Args:
        scaling: see `components.common.preprocessing.Preprocessing`.
        factor: by which the first layer's kernel is multiplied, so that a network made for another range than the
            scaling's gives the same. It has no bias, and pads nothing: so nothing else changes.
        label: what it is to people.
    """

    scaling: str = SCALING
    factor: float = 1.0
    label: str = "pixels in [-1, 1]"


# (pixel - 127.5) / 128 is 127.5 / 128 of what [-1, 1] gives.
FIXED = Pixels(SCALING, 127.5 / 128, "(pixel - 127.5) / 128")
PER_IMAGE = Pixels(STANDARDISED, 1.0, "each face brought to mean 0 and deviation 1")


def restore(
    wanted: Mapping[str, keras.Variable],
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], npt.NDArray[Any]],
    shown: Path,
    pixels: Pixels,
) -> None:
    """Sets variables to what a file holds by their names; none of them, if one cannot be.

    Args:
        wanted: the variables by their names in the file, that of the network's first layer first.
        shapes: of what the file holds, by name.
        read: a value by its name.
        shown: the file, for messages.
        pixels: what the weights were trained to see.

    Raises:
        UsageError: a variable that the file lacks, has in another shape, or with values that no network can have.
    """
    missing = [name for name in wanted if name not in shapes]
    if missing:
        raise UsageError(
            "The checkpoint lacks variables of the backbone.",
            received=f"{shown}: without {len(missing)} of {len(wanted)}, such as {', '.join(missing[:3])}",
            advice="Nothing was restored: a network that is half random would train, and badly.",
        )
    for name, variable in wanted.items():
        if shapes[name] != tuple(variable.shape):
            raise UsageError(
                "A variable of the checkpoint has another shape.",
                received=f"{shown}, {name}: {shapes[name]}, to train: {tuple(variable.shape)}",
                advice="It is of another network than its names say.",
            )
    values = {name: read(name) for name in wanted}
    check_values(values, shown)
    for name, variable in wanted.items():
        variable.assign(values[name])
    first = next(iter(wanted.values()))
    first.assign(first * pixels.factor)

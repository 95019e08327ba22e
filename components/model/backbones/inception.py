"""The parts of the Inception-ResNet family (Szegedy et al., 2016, section 3), named as in TF-Slim.

A layer's name is the scope of its variables in a TF-Slim checkpoint, with dots for slashes: weights are restored by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from components.model.backbones.convolution import Conv2D
from components.model.backbones.normalization import normalize

# Scope, channels, kernel (height, width): a chain of them is a branch.
Chain = Sequence[tuple[str, int, tuple[int, int]]]


def convolution(
    x: Any, scope: str, width: int, kernel: tuple[int, int], *, strides: int = 1, padding: str = "same"
) -> Any:
    """Convolution without bias, BatchNorm without gamma, ReLU."""
    x = Conv2D(width, kernel, strides=strides, padding=padding, use_bias=False, name=scope)(x)
    return layers.ReLU(name=f"{scope}.ReLU")(normalize(x, scale=False, name=f"{scope}.BatchNorm"))


def pooling(x: Any, scope: str) -> Any:
    """Maximum over 3x3 at stride 2, without padding."""
    return layers.MaxPooling2D(3, strides=2, padding="valid", name=scope)(x)


def branch(x: Any, scope: str, chain: Chain, *, halve: bool = False) -> Any:
    """Convolutions in a row; with `halve` the last one has stride 2 and no padding."""
    for name, width, kernel in chain:
        last = halve and name == chain[-1][0]
        x = convolution(
            x, f"{scope}.{name}", width, kernel, strides=2 if last else 1, padding="valid" if last else "same"
        )
    return x


def stem(images: Any) -> Any:
    """The layers that both versions begin with: 1/8 of the input's side, 192 channels."""
    x = convolution(images, "Conv2d_1a_3x3", 32, (3, 3), strides=2, padding="valid")
    x = convolution(x, "Conv2d_2a_3x3", 32, (3, 3), padding="valid")
    x = convolution(x, "Conv2d_2b_3x3", 64, (3, 3))
    x = pooling(x, "MaxPool_3a_3x3")
    x = convolution(x, "Conv2d_3b_1x1", 80, (1, 1), padding="valid")
    return convolution(x, "Conv2d_4a_3x3", 192, (3, 3), padding="valid")


def residual(x: Any, scope: str, chains: Sequence[Chain], scale: float, *, activate: bool = True) -> Any:
    """A block that adds its scaled branches to its input (section 3.3 on the scaling)."""
    branches = [branch(x, f"{scope}.Branch_{number}", chain) for number, chain in enumerate(chains)]
    joined = layers.Concatenate(name=f"{scope}.Concatenate")(branches)
    up = Conv2D(x.shape[-1], 1, name=f"{scope}.Conv2d_1x1")(joined)
    x = layers.Add(name=f"{scope}.Add")([x, layers.Rescaling(scale, name=f"{scope}.Scale")(up)])
    return layers.ReLU(name=f"{scope}.ReLU")(x) if activate else x


def block35(x: Any, scope: str, last_branch: tuple[int, int, int]) -> Any:
    """Inception-ResNet-A, on the 35x35 grid of a 299-pixel input; the widths of its third branch differ by version."""
    first, second, third = last_branch
    chains: list[Chain] = [
        [("Conv2d_1x1", 32, (1, 1))],
        [("Conv2d_0a_1x1", 32, (1, 1)), ("Conv2d_0b_3x3", 32, (3, 3))],
        [("Conv2d_0a_1x1", first, (1, 1)), ("Conv2d_0b_3x3", second, (3, 3)), ("Conv2d_0c_3x3", third, (3, 3))],
    ]
    return residual(x, scope, chains, 0.17)


def block17(x: Any, scope: str, widths: tuple[int, int, int, int]) -> Any:
    """Inception-ResNet-B, on the 17x17 grid."""
    return residual(x, scope, _two_branches(widths, (1, 7), (7, 1)), 0.10)


def block8(x: Any, scope: str, widths: tuple[int, int, int, int], *, last: bool = False) -> Any:
    """Inception-ResNet-C, on the 8x8 grid; the last one adds its branches unscaled and without activation."""
    return residual(x, scope, _two_branches(widths, (1, 3), (3, 1)), 1.0 if last else 0.20, activate=not last)


def _two_branches(widths: tuple[int, int, int, int], row: tuple[int, int], column: tuple[int, int]) -> list[Chain]:
    alone, first, second, third = widths
    across, along = (f"Conv2d_{letter}_{k[0]}x{k[1]}" for letter, k in (("0b", row), ("0c", column)))
    return [
        [("Conv2d_1x1", alone, (1, 1))],
        [("Conv2d_0a_1x1", first, (1, 1)), (across, second, row), (along, third, column)],
    ]


def reduction(x: Any, scope: str, chains: Sequence[Chain]) -> Any:
    """Halves the grid: branches whose last convolution has stride 2, beside a pooling."""
    branches = [branch(x, f"{scope}.Branch_{number}", chain, halve=True) for number, chain in enumerate(chains)]
    branches.append(pooling(x, f"{scope}.Branch_{len(chains)}.MaxPool_1a_3x3"))
    return layers.Concatenate(name=f"{scope}.Concatenate")(branches)


def pool(images: Any, x: Any, name: str) -> keras.Model:
    """The network from its input to the mean over the last grid."""
    return keras.Model(images, layers.GlobalAveragePooling2D(name="AvgPool")(x), name=name)

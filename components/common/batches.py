"""Embedding many images, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]


class Mapping(Protocol):
    """What applies a function to each of several batches, in their order: `map`, or that of a pool of threads."""

    def __call__(self, function: Callable[[Images], Rows], batches: Iterable[Images], /) -> Iterable[Rows]:
        """Yields the function's results."""


def embed_batches(
    embed: Callable[[Images], Rows],
    images: Images,
    batch_size: int,
    embedding_size: int,
    progress: Any = None,
    each: Mapping = map,
) -> Rows:
    """Embeds images batch by batch.

    Args:
        embed: uint8 [at most batch_size, s, s, 3] -> float32 of so many rows, [.., embedding_size].
        images: uint8 [n, s, s, 3].
        batch_size: images at a time; the last batch may have fewer.
        embedding_size: length of an embedding.
        progress: a bar to move by the number of images done.
        each: see `Mapping`.

    Returns:
        float32 [n, embedding_size].
    """
    starts = range(0, len(images), batch_size)
    embeddings = np.empty((len(images), embedding_size), np.float32)
    for start, rows in zip(starts, each(embed, (images[i : i + batch_size] for i in starts)), strict=True):
        embeddings[start : start + len(rows)] = rows
        if progress is not None:
            progress.update(len(rows))
    return embeddings

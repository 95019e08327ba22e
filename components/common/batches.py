"""Embedding many images, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]


class BatchMap(Protocol):
    """Applies a function to batches and yields the results in their order: `map`, or the `map` of a pool of threads."""

    def __call__(self, function: Callable[[Images], Rows], batches: Iterable[Images], /) -> Iterable[Rows]:
        """Yields the function's result for each batch."""


def embed_batches(
    embed: Callable[[Images], Rows],
    images: Images,
    batch_size: int,
    embedding_size: int,
    progress: Any = None,
    each: BatchMap = map,
) -> Rows:
    """Embeds images batch by batch.

    Args:
        embed: uint8 [b, s, s, 3] -> float32 [b, embedding_size], with b at most `batch_size`.
        images: uint8 [n, s, s, 3].
        batch_size: images at a time; the last batch may have fewer.
        embedding_size: length of an embedding.
        progress: a bar to move by the number of images embedded.
        each: how batches are worked on; see `BatchMap`.

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

"""Many images, some at a time: seen, and embedded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from concurrent.futures import Future

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]
# Images of a large set that are decoded together: a multiple of the batches that networks take.
AT_A_TIME = 1024


class ManyImages(Protocol):
    """uint8 [n, s, s, 3], in memory or decoded when they are asked for; an array is one."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, rows: Any, /) -> Images:
        """Some of them, by a slice or by their numbers, int [m]."""


class BatchMap(Protocol):
    """Applies a function to batches and yields the results in their order: `map`, or the `map` of a pool of threads."""

    def __call__(self, function: Callable[[Images], Rows], batches: Iterable[Images], /) -> Iterable[Rows]:
        """Yields the function's result for each batch."""


def slices(total: int, size: int) -> Iterator[slice]:
    """Slices of so many, one after another, the last perhaps shorter."""
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def ahead(images: ManyImages, chosen: Iterable[Any]) -> Iterator[Images]:
    """Some images after others, in a thread that is one step ahead of the caller.

    Args:
        images: of which some are wanted at a time.
        chosen: which: slices or numbers; drawn in the caller's thread.
    """
    from concurrent.futures import ThreadPoolExecutor  # a few faces need not wait for it

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting: deque[Future[Images]] = deque()
        for some in chosen:
            waiting.append(thread.submit(images.__getitem__, some))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        if waiting:
            yield waiting.popleft().result()


def embed_many(embed: Callable[[Images], Rows], images: ManyImages, embedding_size: int) -> Rows:
    """Embeds any number of images, of which a few thousand at most are in memory.

    Args:
        embed: uint8 [m, s, s, 3] -> float32 [m, embedding_size].
        images: uint8 [n, s, s, 3].
        embedding_size: length of an embedding.

    Returns:
        float32 [n, embedding_size].
    """
    embeddings = np.empty((len(images), embedding_size), np.float32)
    pieces = list(slices(len(images), AT_A_TIME))
    for piece, seen in zip(pieces, ahead(images, pieces), strict=True):
        embeddings[piece] = embed(seen)
    return embeddings


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

"""Many images through a LiteRT file: eight at a time, on every processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from components.common.batches import Images, Rows, embed_batches
from components.common.cores import cores
from components.common.errors import UsageError
from components.litert.embedder import LiteRTEmbedder
from components.litert.file import ModelFile, read

# Weights come from memory once for so many images. Beyond eight that gains nothing more.
_AT_A_TIME = 8


class ParallelEmbedder:
    """`LiteRTEmbedder` for many images, with the same results to the bit.

    An interpreter for each processor, of one thread: several threads in one interpreter wait for each other after
    every layer. Each has the weights in memory for itself. For a few images at a time `LiteRTEmbedder` is sooner.

    Args:
        path: see `LiteRTEmbedder`.
        threads: processors to use; all that this process may use when None.

    Attributes:
        one: an interpreter; what there is to know of the model.

    Raises:
        UsageError: see `LiteRTEmbedder`.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        number = threads or cores()
        file = read(path)
        self.one = _widest(file)
        others = [LiteRTEmbedder(file, threads=1, at_a_time=self.one.batch) for _ in range(number - 1)]
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="litert")
        self._free: SimpleQueue[LiteRTEmbedder] = SimpleQueue()
        for embedder in (self.one, *others):
            self._free.put(embedder)

    def __call__(self, images: Images, progress: Any = None) -> Rows:
        """Embeds images; see `LiteRTEmbedder`."""
        return embed_batches(self._embed, images, self.one.batch, self.one.embedding_size, progress, self._pool.map)

    def _embed(self, images: Images) -> Rows:
        embedder = self._free.get()
        try:
            return embedder(images)
        finally:
            self._free.put(embedder)


def _widest(file: ModelFile) -> LiteRTEmbedder:
    try:
        return LiteRTEmbedder(file, threads=1, at_a_time=_AT_A_TIME)
    except UsageError:
        # Inside, an operation may have one image written down; what else is wrong is wrong with one image too.
        return LiteRTEmbedder(file, threads=1)

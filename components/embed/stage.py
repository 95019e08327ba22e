"""The stage: dataset + checkpoint -> the embeddings manifest."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.batches import Images, embed_many, slices
from components.common.cores import has_bfloat16
from components.common.crops import Crops, check_crop, faces_of
from components.common.executor import write_metrics
from components.common.manifest import DATASET, EMBEDDINGS, ROWS_PER_PART, Stored, read
from components.common.progress import progress
from components.common.quantity import quantity
from components.common.shard import Shard
from components.embed.network import Network, check_apart, open_network
from components.embed.settings import Settings
from components.model import BATCH_SIZE, has_driver
from components.model.embeddings import StoredVectors, write_pieces

if TYPE_CHECKING:
    from components.model.precision import Precision

Vectors = npt.NDArray[np.float32]
# TensorFlow takes seconds to start, which fewer faces do not win back.
_MANY = 4096


def run(settings: Settings) -> None:
    """Embeds the faces, writes the manifest, the card and the numbers. Of millions, a part at a time is in memory."""
    shard = Shard.read(settings.shard)
    stored, faces = Stored(settings.input, DATASET), faces_of(settings.input, settings.faces)
    # The rows are cut between batches: in a batch of another size, an embedding may differ in its last bits.
    start, stop = (BATCH_SIZE * bound for bound in shard.bounds(-(-len(stored) // BATCH_SIZE)))
    rows = range(start, min(stop, len(stored)))
    if settings.checkpoint:
        path = Path(settings.checkpoint)
        network = open_network(path, _precision(settings.precision, path, len(stored)), many=True)
        sha256, size, pieces = network.sha256, network.embedding_size, _embed(path, network, settings, stored, rows)
    else:
        print("No network is given, so no face is embedded.")
        sha256, size, rows, pieces = "", 1, range(0), iter(())
    write_pieces(settings.output, pieces, size, sha256, shard)
    if settings.html or settings.markdown:
        from components.embed.card import Embedded, show

        names = read(settings.output, EMBEDDINGS, ["identity", "split"])
        embedded = Embedded(names, lambda chosen: stored[start + chosen], StoredVectors(settings.output), size)
        card = show(embedded, faces, sha256, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, {"faces": len(rows), "embedding_size": size})
    print(f"{quantity(len(rows), 'embedding')} of length {size} in {settings.output}")


def _precision(asked: Literal["auto", "float32", "bfloat16"], path: Path, faces: int) -> Precision | None:
    """What to open a network with: None for LiteRT's arithmetic, or a GPU's.

    Args:
        asked: by the flag.
        path: of the network.
        faces: in all shards, so that all have the same.
    """
    if asked == "auto" and path.is_dir() and faces >= _MANY and has_bfloat16() and not has_driver():
        return "bfloat16" if find_spec("tensorflow") else None
    return None if asked == "auto" or (asked == "float32" and path.is_dir()) else asked


def _embed(
    path: Path, network: Network, settings: Settings, stored: Stored, rows: range
) -> Iterator[tuple[pa.Table, Vectors]]:
    """Some rows of the dataset at a time, and the embeddings of their faces."""
    faces = faces_of(settings.input, settings.faces)
    share = check_crop(faces, path, network.crop)
    if path.is_file():  # of a checkpoint that was trained here, the report says what it is worth
        check_apart(path, network)
    with progress(len(rows) * (1 + settings.flip_averaging), "embed") as bar:

        def embed(images: Images) -> Vectors:
            embeddings = network.embed(images, bar)
            if settings.flip_averaging:
                embeddings = embeddings + network.embed(images[:, :, ::-1], bar)
                embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            return embeddings

        for piece in slices(len(rows), ROWS_PER_PART):
            some = stored[slice(rows[piece].start, rows[piece].stop)]
            yield some, embed_many(embed, Crops(some, faces, network.image_size, share), network.embedding_size)

"""What another network says of the faces to train on: its embeddings, which a network learns instead of names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.common.batches import slices
from components.common.errors import UsageError
from components.common.manifest import EMBEDDINGS, folder_names, order_shards, read
from components.evaluate.embeddings import read_embeddings

Vectors = npt.NDArray[np.float32]
_AT_A_TIME = 1 << 14


@dataclass(frozen=True)
class Teacher:
    """A teacher's embeddings of the faces to train on.

    They are not centred: around their mean the embeddings of a good network are worse.

    Args:
        plain: float32 [n, size], unit length, for a network without BatchNorm at its end.
        deviation: float64 [size], of each number over the faces; 1 where that is 0.
        network: SHA-256 of the network that made them.
        sha256: of the embeddings.
    """

    plain: Vectors
    deviation: npt.NDArray[np.float64]
    network: str
    sha256: str

    @property
    def scaled(self) -> Vectors:
        """For a network with BatchNorm there, whose numbers are all of one deviation: each divided by its own."""
        scaled = np.empty_like(self.plain)
        for some in slices(len(scaled), _AT_A_TIME):
            divided = self.plain[some] / self.deviation
            scaled[some] = divided / np.linalg.norm(divided, axis=1, keepdims=True)
        return scaled

    @property
    def centre(self) -> Vectors:
        """The mean of the embeddings, in deviations: float32 [size]."""
        mean: Vectors = (self.plain.mean(axis=0, dtype=np.float64) / self.deviation).astype(np.float32)
        return mean


def read_teacher(folders: Sequence[Path], rows: pa.Table) -> Teacher | None:
    """Reads the embeddings of some faces.

    Args:
        folders: an embeddings manifest, or all shards of it.
        rows: rows of a dataset.

    Returns:
        In the order of `rows`; None where the manifest is empty, as that of no teacher is.

    Raises:
        UsageError: it lacks one of the faces, or is of several networks.
    """
    shards = order_shards(folders, EMBEDDINGS)
    if not len(read(shards, EMBEDDINGS, ["face_id"])):
        return None
    known = read_embeddings(shards)
    place = {face_id: number for number, face_id in enumerate(known.face_id)}
    wanted = rows["face_id"].to_pylist()
    missing = [face_id for face_id in wanted if face_id not in place]
    if missing:
        raise UsageError(
            "The teacher has not seen all faces that are to be trained on.",
            received=f"{folder_names(shards)}: without {len(missing):,} of {len(wanted):,} faces, such as {missing[0]}",
            advice="Embed the whole dataset with it: `facenet embed -i DATASET -c NETWORK -o EMBEDDINGS`.",
        )
    vectors = known.vectors[np.array([place[face_id] for face_id in wanted], np.int64)]
    deviation = vectors.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1  # a number that is the same for all faces tells nothing of any
    return Teacher(vectors, deviation, known.checkpoint_sha256, hashlib.sha256(vectors.data).hexdigest())

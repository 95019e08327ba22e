"""Embeddings as arrays: read from their manifest, checked, and compared pair by pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.common.batches import slices
from components.common.cores import threads
from components.common.errors import UsageError
from components.common.manifest import EMBEDDINGS, Folders, Stored, folder_names
from components.common.names import is_unnamed
from components.common.quantity import quantity
from components.evaluate.metrics import STEP
from components.evaluate.on_disk import Array, OnDisk, Vectors, at, empty, take

Names = npt.NDArray[np.object_]
Indices = npt.NDArray[np.int64]
Squares = npt.NDArray[np.float64]

# Normalised in float32, a vector misses length 1 by some 1e-7; in half precision by some 1e-3.
LENGTH_TOLERANCE = 5e-3
# Vectors of a chunk of pairs stay in the processor's cache, whatever the number of pairs.
_VALUES_PER_CHUNK = 1 << 17
# From a file so many are read at a time, that more of them lie in a window: 8 MB in each thread.
_VALUES_PER_READ = 1 << 19
_PAIRS_PER_THREAD = 1 << 18
_TEXTS_AT_ONCE = 1 << 15
# A matrix product measures more than so many pairs in the time that it takes to pick the two vectors of one pair.
_PRODUCTS_PER_PAIR = 16


class StoredTexts:
    """str [n], a column of a manifest: of a million faces there are texts in memory for those that are asked for.

    Args:
        stored: the column.
        rows: int64 [n], the rows of the manifest.
    """

    def __init__(self, stored: Stored, rows: Indices) -> None:
        self._stored, self._rows = stored, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> Names:
        """Some of them, by a slice or by their numbers, int [m]."""
        return np.array(self._stored[self._rows[rows]].column(0).to_pylist(), dtype=object)

    def __iter__(self) -> Iterator[str]:
        for some in slices(len(self), _TEXTS_AT_ONCE):
            yield from self[some]

    def at(self, rows: Indices) -> StoredTexts:
        """Some of them, without reading them."""
        return StoredTexts(self._stored, self._rows[rows])


Texts = Names | StoredTexts


@dataclass(frozen=True)
class Embeddings:
    """Faces and where one network puts them. With many faces, little of each is in memory.

    Args:
        face_id: str [n].
        identity: str [n].
        split: str [n], train, validation or test.
        photo_path: str [n], relative to the photo folder.
        vectors: float32 [n, size], unit length.
        checkpoint_sha256: names the network.
    """

    face_id: Texts
    identity: Names
    split: Names
    photo_path: Texts
    vectors: Vectors
    checkpoint_sha256: str

    def __len__(self) -> int:
        return len(self.vectors)

    def of_split(self, split: str) -> Embeddings:
        """The faces of one split, or of all for "all", but for unnamed people: a pair of them may show one or two."""
        chosen = ((self.split == split) | (split == "all")) & ~self.unnamed()
        return self if chosen.all() else self.at(np.flatnonzero(chosen))

    def at(self, rows: Indices) -> Embeddings:
        """Some of the faces; `rows` is int64 [m]."""
        return Embeddings(
            _texts_at(self.face_id, rows),
            self.identity[rows],
            self.split[rows],
            _texts_at(self.photo_path, rows),
            at(self.vectors, rows),
            self.checkpoint_sha256,
        )

    def unnamed(self) -> npt.NDArray[np.bool_]:
        """Which faces are of people without names, bool [n]."""
        return np.fromiter(map(is_unnamed, self.identity), bool, len(self))

    def identity_codes(self) -> Indices:
        """int64 [n]: the identities as numbers from 0."""
        encoded = pa.array(self.identity, pa.string()).dictionary_encode()
        names = np.array(encoded.dictionary.to_pylist(), dtype=object)
        return np.argsort(np.argsort(names))[encoded.indices.to_numpy()]


def _texts_at(texts: Texts, rows: Indices) -> Texts:
    return texts.at(rows) if isinstance(texts, StoredTexts) else texts[rows]


@dataclass(frozen=True)
class Census:
    """Whom an embeddings manifest holds, whatever was read of it.

    Args:
        faces: how many embeddings.
        identities: of whom, people without names included.
    """

    faces: int
    identities: frozenset[str]


def read_embeddings(folders: Folders) -> Embeddings:
    """Reads an embeddings manifest, with the vectors in memory; see `read_split`."""
    return read_split(folders, "all")[0]


def read_split(folders: Folders, split: str, scratch: Path | None = None) -> tuple[Embeddings, Census]:
    """Reads the embeddings of a split, or of all for "all". What is of others is checked and not kept.

    Args:
        folders: an embeddings manifest, or all shards of it.
        split: train, validation, test or all.
        scratch: where vectors that are too many for memory are put in a file; see `on_disk.empty`.

    Raises:
        UsageError: this is no embeddings manifest, or it is empty or of several checkpoints, or its vectors differ in
            length, hold values that are not finite, or are not of unit length.
    """
    stored = Stored(folders, EMBEDDINGS)
    if not len(stored):
        raise UsageError(
            "This embeddings manifest holds no embeddings.",
            received=folder_names(folders),
            advice="Run `facenet embed` on a dataset that has faces.",
        )
    rows = np.flatnonzero(np.concatenate([_chosen(some["split"], split) for some in stored.select(["split"])]))
    size, seen, filled = None, 0, 0
    names: dict[str, list[pa.Array]] = {"identity": [], "split": []}
    identities: set[str] = set()
    checkpoints: Counter[str] = Counter()
    for table in stored:
        seen += len(table)
        of_which = f"{seen} faces" if seen == len(stored) else f"the first {seen} faces"
        vectors = _vectors(table["embedding"], table["photo_path"], size, of_which)
        if size is None:  # the first ones say how long they are
            size = vectors.shape[1]
            kept = empty((len(rows), size), scratch)
        chosen = _chosen(table["split"], split)
        some = vectors[chosen]
        kept[filled : filled + len(some)] = some
        filled += len(some)
        for name, codes in names.items():
            codes.append(table[name].filter(pa.array(chosen)).combine_chunks().dictionary_encode())
        identities.update(table["identity"].unique().to_pylist())
        for one in pc.value_counts(table["checkpoint_sha256"]).to_pylist():
            checkpoints[one["values"]] += one["counts"]
    found = Embeddings(
        StoredTexts(stored.select(["face_id"]), rows),
        _shared(names["identity"]),
        _shared(names["split"]),
        StoredTexts(stored.select(["photo_path"]), rows),
        kept,
        _only(checkpoints),
    )
    return found, Census(len(stored), frozenset(identities))


def _chosen(splits: pa.ChunkedArray, split: str) -> npt.NDArray[np.bool_]:
    return np.array(pc.equal(splits, split), bool) if split != "all" else np.ones(len(splits), bool)


def _shared(codes: list[pa.Array]) -> Names:
    """Texts of which there are few: of a million equal ones, one is in memory."""
    whole = pa.chunked_array(codes).unify_dictionaries().combine_chunks()
    return np.array(whole.dictionary.to_pylist(), dtype=object)[whole.indices.to_numpy()]


def _only(checkpoints: Mapping[str, int]) -> str:
    if len(checkpoints) > 1:
        listed = ", ".join(
            f"{sha256[:12]} ({quantity(count, 'face')})" for sha256, count in sorted(checkpoints.items())
        )
        raise UsageError(
            "These embeddings come from different checkpoints: their distances mean nothing.",
            received=f"checkpoint_sha256 {listed}",
            advice="Run `facenet embed` again with one checkpoint.",
        )
    return next(iter(checkpoints))


def _vectors(column: Any, photo_path: Any, size: int | None, of_which: str) -> Array:
    """The vectors of some rows; `size` is the length of those before."""

    def refuse(what: str, wrong: npt.NDArray[np.bool_], values: npt.NDArray[Any], meaning: str) -> None:
        rows = np.flatnonzero(wrong)
        if not len(rows):
            return
        first = ", ".join(f"{photo_path[int(row)]} ({values[row]:g})" for row in rows[:3])
        raise UsageError(
            f"Embeddings {what}.",
            received=f"{len(rows)} of {of_which}: {first}{', ...' if len(rows) > 3 else ''}; {meaning}",
            advice="Run `facenet embed` again; if it stays so, the checkpoint is damaged.",
        )

    # Chunk by chunk: joined, an Arrow list overflows at 2^31 numbers.
    lengths = np.concatenate([np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks])
    size = lengths[0] if size is None else size
    refuse("are of differing lengths", lengths != size, lengths, f"the first has length {size}")
    vectors = np.empty((len(lengths), size), np.float32)
    values, done = vectors.reshape(-1), 0
    for chunk in column.chunks:
        numbers = chunk.flatten().to_numpy(zero_copy_only=False)
        values[done : done + len(numbers)] = numbers
        done += len(numbers)
    finite = np.isfinite(vectors).sum(axis=1)
    refuse("hold values that are not finite", finite < lengths, finite, "finite values counted")
    norms = np.linalg.norm(vectors, axis=1)
    refuse("are not of unit length", np.abs(norms - 1) > LENGTH_TOLERANCE, norms, "norms given")
    return vectors


def pair_distances(
    vectors: Vectors, first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Euclidean distances between pairs of vectors, in bounded memory.

    They are computed in float64, where two ways to the same distance differ by much less than a step, even between
    copies, and rounded to `STEP`: so it does not matter which way was taken.

    Args:
        vectors: float32 [n, size], unit length.
        first: int [p], indices into `vectors`; many at once are fastest when equal ones follow each other.
        second: int [p].

    Returns:
        float64 [p], 0 to 2: multiples of `STEP`.
    """
    distances = np.empty(len(first))

    def measure(begin: int) -> None:
        piece = slice(begin, begin + _PAIRS_PER_THREAD)
        squares = _squares(vectors, first[piece], second[piece])
        # What rounding leaves of the squared distance of copies may lie below 0.
        np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        np.multiply(np.rint(np.divide(squares, STEP, out=squares), out=squares), STEP, out=distances[piece])

    with threads() as pool:
        list(pool.map(measure, range(0, len(first), _PAIRS_PER_THREAD)))
    return distances


def _squares(vectors: Vectors, first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> Squares:
    """Squared distances of some pairs, float64 [p]."""
    begins = np.flatnonzero(np.diff(first, prepend=-1))
    low, high = int(second.min()), int(second.max()) + 1
    width = high - low
    if len(begins) * width > _PRODUCTS_PER_PAIR * len(first):
        return _of_pairs(vectors, first, second)
    # All pairs of these first faces and that range of second ones, and those that were asked for picked from them.
    table = _of_ranges(vectors, first[begins], low, high)
    row_begins = np.repeat(np.arange(len(begins)) * width - low, np.diff(begins, append=len(first)))
    return np.take(table, row_begins + second)


def _of_pairs(vectors: Vectors, first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> Squares:
    """Squared distances, float64 [p], of pairs picked one by one."""
    squares = np.empty(len(first))
    chunk = max(1, (_VALUES_PER_READ if isinstance(vectors, OnDisk) else _VALUES_PER_CHUNK) // vectors.shape[1])
    both = np.empty((2, chunk, vectors.shape[1]), np.float32)
    differences = np.empty((chunk, vectors.shape[1]))
    for start in range(0, len(first), chunk):
        piece = slice(start, start + chunk)
        number = len(first[piece])
        one, other = both[:, :number]
        take(vectors, first[piece], one)
        take(vectors, second[piece], other)
        difference = np.subtract(one, other, out=differences[:number], dtype=np.float64)
        np.einsum("ij,ij->i", difference, difference, out=squares[piece])
    return squares


def _of_ranges(vectors: Vectors, faces: npt.NDArray[np.integer], low: int, high: int) -> Squares:
    """Squared distances, float64 [faces, high - low], of faces and all from `low` to `high`: by a matrix product."""
    squares = np.empty((len(faces), high - low))
    one = vectors[faces].astype(np.float64)
    lengths = np.einsum("ij,ij->i", one, one)[:, None]
    chunk = max(1, _VALUES_PER_CHUNK // vectors.shape[1])
    for start in range(low, high, chunk):
        other = vectors[start : min(start + chunk, high)].astype(np.float64)
        columns = squares[:, start - low :][:, : len(other)]
        np.matmul(-2 * one, other.T, out=columns)
        columns += lengths
        columns += np.einsum("ij,ij->i", other, other)
    return squares

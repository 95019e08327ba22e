"""Searches among a million people, against the product over all of them: `taskset -c 0 python -m benchmarks.searching`.

With `--like FOLDER`, an embeddings manifest of real faces, people are drawn like those: a person's mean is normal, with
the covariance of real people's means, and so is each face around it, with that of real faces (the two-covariance
model). Else embeddings are random, and nothing can be gained.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.harness import command_line, compare
from components.verify import index
from components.verify.index import Index

Numbers = npt.NDArray[np.float64]
Faces = npt.NDArray[np.float32]

_SIZE = 128
_SEARCHES = 50
_TOP = 3
_ROWS = 1 << 15


class Drawn:
    """Draws people, and faces of them.

    Args:
        faces: of real people, float [n, size], at least two of some.
        person: whose each is.
    """

    def __init__(self, faces: Numbers, person: npt.NDArray[np.int64]) -> None:
        counts = np.bincount(person)
        means = np.stack([np.bincount(person, column) / counts for column in faces.T], axis=1)
        several = counts >= 2
        off = (faces - means[person])[several[person]]
        within = off.T @ off / (len(off) - several.sum())
        # The means of few faces scatter by the faces' own deviations too.
        between = np.cov(means[several].T, bias=True) - within * np.mean(1 / counts[several])
        self._middle = means[several].mean(0)
        self._between, self._within = _root(between), _root(within)

    def people(self, number: int, rng: np.random.Generator) -> Numbers:
        """The means of people, [number, size]."""
        return self._middle + rng.normal(size=(number, len(self._middle))) @ self._between

    def faces(self, people: Numbers, rng: np.random.Generator) -> Faces:
        """A face of each, float32 [people, size], length 1."""
        return _unit(people + rng.normal(size=people.shape) @ self._within)


class Random:
    """As `Drawn`, of vectors in all directions alike."""

    def people(self, number: int, rng: np.random.Generator) -> Numbers:
        """Directions."""
        return rng.normal(size=(number, _SIZE))

    def faces(self, people: Numbers, rng: np.random.Generator) -> Faces:
        """With half as much noise."""
        return _unit(people + 0.5 * rng.normal(size=people.shape))


def _root(covariance: Numbers) -> Numbers:
    variances, axes = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(variances, 0))[:, None] * axes.T


def _unit(rows: Numbers) -> Faces:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def like(folder: Path) -> Drawn:
    """Draws people like those of an embeddings manifest."""
    table = pq.read_table(folder, columns=["identity", "embedding"])
    person = np.unique(table["identity"].to_pylist(), return_inverse=True)[1]
    return Drawn(np.stack(table["embedding"].to_numpy()).astype(np.float64), person)


def by_product(references: Faces, query: Faces) -> npt.NDArray[np.int64]:
    """The nearest rows by one matrix product over all, as `verify` searched before it had an index."""
    similarity = references @ query
    chosen = np.argpartition(-similarity, _TOP - 1)[:_TOP]
    return chosen[np.argsort(-similarity[chosen], kind="stable")]


def by_products(references: Faces, queries: Faces) -> list[npt.NDArray[np.int64]]:
    """The nearest rows to each."""
    return [by_product(references, query) for query in queries]


def by_index(searched: Index, queries: Faces) -> list[npt.NDArray[np.int64]]:
    """The same, by ours."""
    return [searched.nearest(query, _TOP)[0] for query in queries]


def _equal(found: list[npt.NDArray[np.int64]], wanted: list[npt.NDArray[np.int64]]) -> str:
    alike = sum(np.array_equal(*pair) for pair in zip(found, wanted, strict=True))
    # The product rounds in float32: two that are as near may change places.
    assert alike >= 0.98 * len(found), f"{alike} of {len(found)}"
    return f"the {_TOP} nearest of {alike} of {len(found)} in the same order"


def main() -> None:
    """Searches for people of the gallery, then for strangers."""
    command = command_line(__doc__)
    command.add_argument("--people", type=int, default=1_000_000)
    command.add_argument("--like", type=Path, help="an embeddings manifest to draw people after")
    given = command.parse_args()
    kind: Drawn | Random = like(given.like) if given.like else Random()
    rng = np.random.default_rng(0)
    references = np.empty((given.people, _SIZE), np.float32)
    for begin in range(0, given.people, _ROWS):
        block = references[begin : begin + _ROWS]
        people = kind.people(len(block), rng)
        block[:] = kind.faces(people, rng)
        mates = people[:_SEARCHES]
    searches = {"people of the gallery": mates, "strangers": kind.people(_SEARCHES, rng)}
    searched = Index(references)
    for _ in range(index._SHORTENED_AT):  # from then on it is at its best
        searched.nearest(references[0], _TOP)
    for whom, people in searches.items():
        queries = kind.faces(people, rng)
        compare(
            f"{_SEARCHES} searches for {whom}, {given.people:,} {'drawn like real' if given.like else 'random'} people",
            "a matrix product over all",
            partial(by_index, searched, queries),
            partial(by_products, references, queries),
            _equal,
            at_least=2 if given.like else 0.9,
        )


if __name__ == "__main__":
    main()

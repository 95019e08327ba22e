"""Searches of a gallery: every probe against every person, by matrix products of blocks.

Memory holds what a gallery keeps of some of its people, a block for each thread, and a number or two for each probe.
Similarities are exact (`references.py`), so any size of blocks gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from components.common.batches import slices
from components.common.cores import threads
from components.evaluate.embeddings import Indices
from components.evaluate.on_disk import Vectors
from components.evaluate.references import Kept, References

Similarities = npt.NDArray[np.float64]

PROBES, PEOPLE = 512, 1024  # of a block
# People whose references are in memory at a time: with eight faces each, of 128 numbers, 32 MB.
_PEOPLE_AT_ONCE = 8 * PEOPLE


def best_similarities(
    references: Kept | References,
    faces: Vectors,
    probes: Indices,
    *,
    block: tuple[int, int] = (PROBES, PEOPLE),
) -> Similarities:
    """How similar to each probe the best candidate of a gallery is.

    Args:
        references: [people, references of each, size], as `references.references` makes them, now or when asked.
        faces: float32 [faces, size], of `references.on_grid`.
        probes: int64 [probes], which of the faces are searched for.
        block: probes and people that are compared at a time.

    Returns:
        float64 [probes], -1 to 1.
    """
    best = np.full(len(probes), -np.inf)

    def search(kept: Kept, some: slice) -> None:
        for scores in _scores(kept, faces[probes[some]], block[1]):
            np.maximum(best[some], scores.max(axis=1), out=best[some])

    for people in slices(len(references), _PEOPLE_AT_ONCE):
        _in_threads(partial(search, references[people]), len(probes), block[0])
    return best


def mate_ranks(
    references: Kept | References,
    faces: Vectors,
    probes: Indices,
    mate: Indices,
    *,
    block: tuple[int, int] = (PROBES, PEOPLE),
) -> tuple[Similarities, Indices]:
    """How similar the mate of each probe is, and which place among the candidates that gives them.

    The rank is the number of people who are at least as similar, the mate included. So somebody equally similar stands
    before the mate: whoever breaks the tie by chance or by order cannot count on more.

    Args:
        references: [people, references of each, size], likewise.
        faces: float32 [faces, size].
        probes: int64 [probes], which of the faces are searched for.
        mate: int64 [probes], the person in the gallery whose face the probe is.
        block: probes and people that are compared at a time.

    Returns:
        float64 [probes] similarities, -1 to 1, and int64 [probes] ranks, from 1.
    """
    similarity, rank = np.empty(len(probes)), np.zeros(len(probes), np.int64)

    def find(some: slice) -> None:
        searched = faces[probes[some]].astype(np.float64)
        own = np.einsum("prs,ps->pr", references[mate[some]].astype(np.float64), searched)
        similarity[some] = own.max(axis=1)

    def search(kept: Kept, some: slice) -> None:
        for scores in _scores(kept, faces[probes[some]], block[1]):
            # Counting takes longer than finding the largest, and mostly the mate is it.
            rows = np.flatnonzero(scores.max(axis=1) >= similarity[some])
            rank[some][rows] += np.count_nonzero(scores[rows] >= similarity[some][rows, None], axis=1)

    _in_threads(find, len(probes), block[0])
    for people in slices(len(references), _PEOPLE_AT_ONCE):
        _in_threads(partial(search, references[people]), len(probes), block[0])
    return similarity, rank


def _scores(references: Kept, probes: npt.NDArray[np.float32], people: int) -> Iterator[Similarities]:
    """Each person's similarity to each probe, float64 [probes, people], some people at a time; reused memory."""
    exact = probes.astype(np.float64)
    memory = np.empty((2, len(probes) * people))
    for begin in range(0, len(references), people):
        block = references[begin : begin + people].astype(np.float64)
        best, other = memory[:, : len(probes) * len(block)].reshape(2, len(probes), len(block))
        np.matmul(exact, block[:, 0].T, out=best)
        for number in range(1, block.shape[1]):
            np.maximum(best, np.matmul(exact, block[:, number].T, out=other), out=best)
        yield best


def _in_threads(search: Callable[[slice], None], probes: int, at_once: int) -> None:
    """Searches for some probes in each thread: none of them writes where another does."""
    with threads() as pool:
        list(pool.map(search, slices(probes, at_once)))

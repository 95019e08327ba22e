"""Triplets and hardest negatives: `python -m benchmarks.mining`, from the repository's root."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import faiss
import numpy as np
import numpy.typing as npt
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import TripletMarginMiner
from threadpoolctl import threadpool_info

from benchmarks.harness import command_line, compare, memory_of
from components.common.cores import threads
from components.mine_and_train.hardest import _TILE_COLUMNS, _TILE_ROWS, Hardest, hardest
from components.mine_and_train.mining import mine
from components.mine_and_train.strategy import Strategy
from components.mine_and_train.triplets import Runs, Triplets

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

# Names the kernel of every OpenBLAS.
_KERNEL = "OPENBLAS_CORETYPE"


@cache
def people(faces: int, each: int, apart: float) -> tuple[Rows, Numbers]:
    """Embeddings of 128 numbers and whose they are; each person's lie around a centre, the closer the more apart."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(faces // each), each)
    rows = apart * rng.normal(size=(faces // each, 128))[labels] + rng.normal(size=(faces, 128))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def ours(apart: float) -> Runs:
    """All triplets whose negative is nearer than the positive, as batches are made of them."""
    return mine(*people(1250, 25, apart), Strategy(), np.random.default_rng(1)).triplets


def ours_listed(apart: float) -> Triplets:
    """The same, one by one."""
    return ours(apart).to_triplets()


def plain_loop(apart: float) -> Triplets:
    """The same as anybody would write it: an anchor's distances to all, and for each positive the nearer negatives."""
    rows, labels = people(1250, 25, apart)
    triplets = []
    for anchor, row in enumerate(rows):
        distances = 2 - 2 * (rows @ row)
        negatives = np.flatnonzero(labels != labels[anchor])
        to_negatives = distances[negatives]
        for positive in np.flatnonzero(labels == labels[anchor]):
            if positive != anchor:
                nearer = negatives[to_negatives < distances[positive]]
                listed = np.empty((len(nearer), 3), np.int32)
                listed[:, 0], listed[:, 1], listed[:, 2] = anchor, positive, nearer
                triplets.append(listed)
    return np.concatenate(triplets)


def metric_learning(apart: float) -> npt.NDArray[np.int64]:
    """The same of pytorch-metric-learning."""
    rows, labels = people(1250, 25, apart)
    miner = TripletMarginMiner(0.2, "hard", distance=LpDistance(power=2, normalize_embeddings=False))
    found = miner(torch.from_numpy(rows), torch.from_numpy(labels))
    return torch.stack(found, dim=1).numpy()


def same_triplets(mine: Runs | Triplets, theirs: npt.NDArray[np.int64]) -> str:
    """Equal but for pairs that are equally far to the last bits."""

    def numbers(triplets: npt.NDArray[np.integer]) -> Numbers:
        return np.unique(np.asarray(triplets, np.int64) @ [1250 * 1250, 1250, 1])

    one, other = numbers(mine.to_triplets() if isinstance(mine, Runs) else mine), numbers(theirs)
    differing = len(np.setxor1d(one, other, assume_unique=True))
    assert differing <= 1e-5 * len(other), f"{differing} of {len(other)} triplets differ"
    return f"{len(one)} triplets, all but {differing} in both"


def flat(rows: Rows, labels: Numbers) -> tuple[Rows, Numbers]:
    """Cosine and number of the nearest one of another person, from faiss.

    It is asked for one neighbour more than a person has faces: with fewer, all might be of the person itself.
    """
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    cosines, found = index.search(rows, int(np.bincount(labels).max()) + 1)
    first = (labels[found] != labels[:, None]).argmax(axis=1)[:, None]
    return np.take_along_axis(cosines, first, axis=1)[:, 0], np.take_along_axis(found, first, axis=1)[:, 0]


def bare(rows: Rows) -> None:
    """The matrix products alone, in the tiles and threads of ours."""

    def products(top: int) -> None:
        for left in range(0, len(rows), _TILE_COLUMNS):
            rows[top : top + _TILE_ROWS] @ rows[left : left + _TILE_COLUMNS].T

    with threads() as pool:
        list(pool.map(products, range(0, len(rows), _TILE_ROWS)))


def same_negatives(mine: Hardest, theirs: tuple[Rows, Numbers]) -> str:
    """Equal distances; and equal negatives but where two are equally far."""
    np.testing.assert_allclose(mine.negative_distance, 2 - 2 * theirs[0], atol=1e-5)
    return f"{np.mean(mine.negative == theirs[1]):.2%} the same face, all at the same distance"


def _numpys_kernel() -> str:
    return next(one["architecture"] for one in threadpool_info() if "numpy" in one["filepath"])


def hardest_negatives() -> None:
    """Against faiss, and against what is left to win."""
    rows, labels = people(50_000, 25, 0.0)
    compare(
        "hardest negative, 50,000 x 128",
        "faiss IndexFlatIP",
        lambda: hardest(rows, labels),
        lambda: flat(rows, labels),
        same_negatives,
        at_least=1,
        times=3,
    )
    compare(
        "hardest negative, 50,000 x 128",
        "the bare product",
        lambda: hardest(rows, labels),
        lambda: bare(rows),
        lambda mine, theirs: "only what is left to win",
        at_least=1 / 1.2,
        times=3,
    )


def main() -> None:
    """Mining, then the hardest negatives: with the kernels that the libraries choose, and with NumPy's for all of them.

    NumPy and faiss each bring an OpenBLAS. faiss's is older, and on a processor that it does not know it falls back to
    a kernel without AVX.
    """
    command_line(__doc__).parse_args()
    for name, apart in (("people well apart", 1.0), ("half apart", 0.5), ("random", 0.0)):
        for way, call in (("", ours), (", listed one by one", ours_listed)):
            compare(
                f"all hard triplets, 1,250 x 128, {name}{way}",
                "pytorch-metric-learning",
                partial(call, apart),
                partial(metric_learning, apart),
                same_triplets,
                at_least=50,
                memory=(memory_of(call, apart), memory_of(metric_learning, apart)),
            )
    compare(
        "all hard triplets, 1,250 x 128, random, listed one by one",
        "a plain NumPy loop",
        partial(ours_listed, 0.0),
        partial(plain_loop, 0.0),
        same_triplets,
        at_least=1.4,
    )
    chosen = os.environ.pop(_KERNEL, None) or _numpys_kernel()
    for kernel in (None, chosen):
        if kernel:
            os.environ[_KERNEL] = kernel  # which a library reads when it is loaded: in a new process
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            process.submit(hardest_negatives).result()


if __name__ == "__main__":
    main()

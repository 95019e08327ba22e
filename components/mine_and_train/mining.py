"""Finds the triplets among embeddings, by every usual strategy, exactly and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from components.common.cores import cores, threads
from components.common.draw import draw_distinct
from components.mine_and_train.pairs import AnchorBlock, pairs_of
from components.mine_and_train.strategy import Strategy
from components.mine_and_train.triplets import Embeddings, Indices, Labels, Runs, by_identity, join

# Anchors that a thread works on at a time; more when an identity has more faces.
_ANCHORS_PER_BLOCK = 128


@dataclass(frozen=True)
class Mined:
    """The result of mining.

    Args:
        triplets: of faces, as indices into the labels.
        total: how many the strategy yields; `triplets` are a fair sample of them when they are fewer.
    """

    triplets: Runs
    total: int


def mine(
    embeddings: Embeddings, labels: Labels, strategy: Strategy, rng: np.random.Generator, limit: int | None = None
) -> Mined:
    """Finds the triplets of a strategy among all combinations.

    The negatives of an anchor are sorted by distance; those that a pair takes, by any strategy, are a run of them. So
    counting needs two searches a pair, and a fair sample of billions of triplets is drawn without listing them: each
    anchor has its share of the sample, of distinct triplets drawn alike.

    Args:
        embeddings: float32 [n, size], unit length.
        labels: int64 [n], the identity of each.
        strategy: which triplets.
        rng: draws the random negatives, and the sample when there are more triplets than `limit`.
        limit: the most triplets to return; all when None. Each is equally likely to be among them.

    Returns:
        The triplets, with at most as many negatives as there are of them. Memory besides: a few blocks of anchors'
        distances to all for each core.
    """
    seed = int(rng.integers(2**63))  # the random negatives are drawn alike in both passes
    order, starts = by_identity(labels)
    ordered, counts = embeddings[order], np.zeros(len(labels), np.int64)
    kept: list[Runs] = []
    total = 0
    with threads() as pool:
        for pairs in _anchor_blocks(ordered, order, starts, strategy, seed, pool):
            counts[pairs.places] = pairs.counts
            total += len(pairs.runs)
            if limit is None or total <= limit:
                kept.append(pairs.runs)
        if limit is not None and total > limit:
            kept.clear()
            ends = _shares(counts, limit, int(rng.integers(total)))
            sampler = np.random.default_rng([seed, 1])
            drawing: list[Future[Runs]] = []
            for pairs in _anchor_blocks(ordered, order, starts, strategy, seed, pool):
                ranks = _ranks(pairs.counts, np.diff(ends[pairs.place : pairs.places.stop + 1]), sampler)
                drawing.append(pool.submit(pairs.runs.select, ranks))
            kept = [one.result() for one in drawing]
    return Mined(join(kept), total)


def _anchor_blocks(
    ordered: Embeddings, order: Indices, starts: Indices, strategy: Strategy, seed: int, pool: ThreadPoolExecutor
) -> Iterator[AnchorBlock]:
    """The pairs of one block of anchors after another; threads find those of a few blocks ahead."""
    rng = np.random.default_rng(seed)
    ahead: deque[Future[AnchorBlock]] = deque()

    def following() -> AnchorBlock:
        pairs = ahead.popleft().result()
        runs = pairs.runs.draw_one_each(rng) if strategy.negatives == "random-violating" else pairs.runs
        return replace(pairs, runs=runs.compact())

    for first, last in _blocks(starts):
        ahead.append(pool.submit(pairs_of, ordered, order, starts[first : last + 1], strategy))
        if len(ahead) > cores():
            yield following()
    while ahead:
        yield following()


def _shares(counts: Indices, size: int, offset: int) -> Indices:
    """Shares a sample out among groups in proportion: int64 [groups + 1], where the share of each begins and ends.

    With an offset drawn below the total, each share is rounded up or down so that its mean is the exact one.
    """
    total = int(counts.sum())
    # In Python's integers: the products have more than 64 bits.
    return np.array([(size * before + offset) // total for before in accumulate(counts.tolist(), initial=0)])


def _ranks(counts: Indices, shares: Indices, rng: np.random.Generator) -> Indices:
    """Of each group in turn, a share of its members: their ranks among all, ascending."""
    before = (np.cumsum(counts) - counts).tolist()
    groups = zip(before, counts.tolist(), shares.tolist(), strict=True)
    return np.concatenate([first + draw_distinct(count, share, rng) for first, count, share in groups])


def _blocks(starts: Indices) -> Iterator[tuple[int, int]]:
    """Runs of identities with at most `_ANCHORS_PER_BLOCK` faces together, or one with more."""
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _ANCHORS_PER_BLOCK, side="right")) - 1)
        yield first, last
        first = last

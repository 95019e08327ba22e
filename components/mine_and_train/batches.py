"""One pass over the mined triplets, in batches that push each of their images through the network once.

A round of 100 identities with 25 faces holds up to 148.5 million triplets among 2,500 images. Three images a triplet
would be 445 million pushes. So a batch holds unique images, and its triplets are indices into it.

Identities are dealt into groups of at most half a batch. The triplets with their anchor in one group and the negative
in another form a block, whose images fit a batch; the blocks in random order are the pass. Where few triplets are left
in a block, only their images are pushed, and several blocks share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.mine_and_train.triplets import Indices, Labels, Runs, Triplets


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Args:
        images: int64 [b], unique indices of the round's images, ascending.
        triplets: int32 [t, 3], anchor, positive, negative as indices into `images`.
    """

    images: Indices
    triplets: Triplets


def check_batch_size(batch_size: int, faces_per_identity: int) -> None:
    """Raises UsageError when a batch cannot hold the faces of two identities."""
    if batch_size < 2 * faces_per_identity:
        raise UsageError(
            "A batch must hold all faces of two identities.",
            received=f"batch_size={batch_size}, faces_per_identity={faces_per_identity}",
            advice=f"Give --batch_size {2 * faces_per_identity} or more, or fewer --faces_per_identity.",
        )


def batches(triplets: Runs, labels: Labels, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One pass over the triplets: each in exactly one batch.

    Taking only the first batches is a fair sample: whether a triplet is among them depends on how identities were
    dealt and blocks were ordered, both at random, and not on the triplet.

    Args:
        triplets: of faces, as indices into `labels`.
        labels: int64 [n], the identities of the round's images.
        batch_size: the most images in a batch; at least twice the faces of an identity.
        rng: the source of randomness.
    """
    waiting: list[Triplets] = []
    images = np.zeros(len(labels), bool)
    for block in _blocks(triplets, _groups(labels, batch_size // 2, rng), rng):
        together = images.copy()
        together[block.reshape(-1)] = True
        if waiting and together.sum() > batch_size:
            yield _batch(waiting, images)
            waiting, together = [], np.zeros_like(images)
            together[block.reshape(-1)] = True
        waiting.append(block)
        images = together
    if waiting:
        yield _batch(waiting, images)


def _groups(labels: Labels, largest: int, rng: np.random.Generator) -> Indices:
    """Deals identities at random into groups of at most `largest` faces, identities whole: the group of each face."""
    _, identity, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    group_of = np.zeros(len(sizes), np.int64)
    group, room = 0, largest
    for person in rng.permutation(len(sizes)):
        if sizes[person] > room:
            group, room = group + 1, largest
        group_of[person] = group
        room -= sizes[person]
    return group_of[identity]


def _blocks(runs: Runs, group: Indices, rng: np.random.Generator) -> Iterator[Triplets]:
    """The triplets between each two groups together, in random order; never none. Only those asked for are listed."""
    count = int(group.max()) + 1
    turn = rng.permutation(count * count)
    one, other = group[runs.owner], group[runs.negatives]
    turns = turn.astype(np.min_scalar_type(count * count))[np.minimum(one, other) * count + np.maximum(one, other)]
    order = np.argsort(turns, kind="stable")  # a radix sort where there are few blocks
    ends = np.cumsum(np.bincount(turns, minlength=count * count))
    pairs_in = [np.flatnonzero(group[runs.anchor] == number) for number in range(count)]
    for number, begin, end in zip(np.argsort(turn), np.concatenate([[0], ends[:-1]]), ends, strict=True):
        # Where the negatives of this block are, ascending: two searches tell where a run begins and ends among them.
        places = order[begin:end]
        pairs = np.sort(np.concatenate([pairs_in[each] for each in {number // count, number % count}]))
        start, stop = np.searchsorted(places, [runs.start[pairs], runs.start[pairs] + runs.count[pairs]])
        block = Runs(
            runs.anchor[pairs], runs.positive[pairs], start, stop - start, runs.negatives[places], runs.owner[places]
        )
        if len(block):
            yield block.to_triplets()


def _batch(blocks: list[Triplets], images: npt.NDArray[np.bool_]) -> Batch:
    place = np.cumsum(images, dtype=np.int32) - 1
    return Batch(np.flatnonzero(images), place[np.concatenate(blocks)])

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
from components.mine_and_train.mining import Distances, Labels, Triplets, hard_triplets


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Args:
        images: int64 [b], unique indices of the round's images.
        triplets: int32 [t, 3], anchor, positive, negative as indices into `images`.
    """

    images: npt.NDArray[np.int64]
    triplets: Triplets


def _groups(labels: Labels, largest: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Deals identities at random into groups of at most `largest` faces; an identity stays whole."""
    groups: list[list[npt.NDArray[np.int64]]] = [[]]
    room = largest
    for person in rng.permutation(np.unique(labels)):
        faces = np.flatnonzero(labels == person)
        if len(faces) > room:
            groups.append([])
            room = largest
        groups[-1].append(faces)
        room -= len(faces)
    return [np.concatenate(group) for group in groups if group]


def check_batch_size(batch_size: int, faces_per_identity: int) -> None:
    """Raises UsageError when a batch cannot hold the faces of two identities."""
    if batch_size < 2 * faces_per_identity:
        raise UsageError(
            "A batch must hold all faces of two identities.",
            received=f"batch_size={batch_size}, faces_per_identity={faces_per_identity}",
            advice=f"Give --batch_size {2 * faces_per_identity} or more, or fewer --faces_per_identity.",
        )


def _blocks(
    distances: Distances, labels: Labels, groups: list[npt.NDArray[np.int64]], rng: np.random.Generator
) -> Iterator[Triplets]:
    pairs = [(one, other) for one in range(len(groups)) for other in range(one, len(groups))]
    for index in rng.permutation(len(pairs)):
        one, other = (groups[group] for group in pairs[index])
        block = hard_triplets(distances, labels, one, other)
        if one is not other:
            block = np.concatenate([block, hard_triplets(distances, labels, other, one)])
        if len(block):
            yield block


def batches(distances: Distances, labels: Labels, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One pass over all hard triplets of a round, each exactly once.

    Taking only the first batches is a fair sample: whether a triplet is among them depends on how identities were
    dealt and blocks were ordered, both at random, and not on the triplet.

    Args:
        distances: float32 [n, n], squared, between the images of the round.
        labels: int64 [n], their identities.
        batch_size: the most images in a batch; at least twice the faces of an identity.
        rng: the source of randomness.
    """
    waiting: list[Triplets] = []
    images: npt.NDArray[np.integer] = np.empty(0, np.int64)
    for block in _blocks(distances, labels, _groups(labels, batch_size // 2, rng), rng):
        together = np.union1d(images, block)
        if len(together) > batch_size:
            yield _batch(waiting)
            waiting, together = [], np.unique(block)
        waiting.append(block)
        images = together
    if waiting:
        yield _batch(waiting)


def _batch(blocks: list[Triplets]) -> Batch:
    images, inverse = np.unique(np.concatenate(blocks), return_inverse=True)
    return Batch(images.astype(np.int64), inverse.reshape(-1, 3).astype(np.int32))

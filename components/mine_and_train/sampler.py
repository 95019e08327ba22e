"""Who takes part in a round, and in a batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]


def sample_round(labels: Labels, identities: int, faces_per_identity: int, rng: np.random.Generator) -> Indices:
    """Samples identities, and faces of each, without replacement.

    Args:
        labels: int64 [n], the identity of each face of the training split.
        identities: how many identities; all of them when there are fewer.
        faces_per_identity: at most so many faces of each.
        rng: the source of randomness.

    Returns:
        int64 [m]: indices into `labels`, grouped by identity.
    """
    people = np.unique(labels)
    chosen = rng.choice(people, min(identities, len(people)), replace=False)
    faces = [np.flatnonzero(labels == person) for person in chosen]
    return np.concatenate([rng.choice(own, min(faces_per_identity, len(own)), replace=False) for own in faces])


def sample_evenly(labels: Labels, count: int, rng: np.random.Generator) -> Indices:
    """Samples faces without replacement, as evenly from all identities as they have faces.

    Returns:
        int64 [min(count, n)]: indices into `labels`, in random order.
    """
    shuffled = rng.permutation(len(labels))
    order = np.argsort(labels[shuffled], kind="stable")
    sizes = np.bincount(labels)
    turn = np.empty(len(labels), np.int64)
    turn[order] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return shuffled[np.argsort(turn, kind="stable")[:count]]


# An identity with many faces takes so many turns at most while one with few takes one: it must not fill every batch.
_MOST_TURNS = 5


def sample_batches(
    labels: Labels, batch_size: int, faces_per_identity: int, rng: np.random.Generator
) -> Iterator[Indices]:
    """Batches of identities with up to K faces each, without end (P x K sampling; Hermans et al., 2017, section 2).

    Every identity with two faces or more takes its turns before any begins anew: one for each K of its faces, five at
    most. So the two faces of one person are not seen ten times as often as the twenty of another, which is how they are
    learnt by heart. No identity is twice in a batch, and its faces are dealt in turn.

    Args:
        labels: int64 [n], the identity of each face of the training split.
        batch_size: faces in a batch; the last identity of a batch gives only the faces that still fit.
        faces_per_identity: K, at least 2.
        rng: the source of randomness.

    Yields:
        int64 [b]: indices into `labels`, grouped by identity; b is `batch_size`, or up to one less where only one
        more face would fit, or less where people are few.
    """
    by_identity, counts = np.argsort(labels, kind="stable"), np.bincount(labels)
    ends = np.cumsum(counts)
    people = np.flatnonzero(counts >= 2)
    turns = np.repeat(people, np.minimum(_MOST_TURNS, -(-counts[people] // faces_per_identity)))
    waiting: list[int] = []
    unseen: dict[int, list[int]] = {}
    while True:
        batch: dict[int, Indices] = {}
        room = batch_size
        later: list[int] = []
        while room >= 2 and len(batch) < len(people):
            if not waiting:
                waiting = rng.permutation(turns).tolist()
            person = waiting.pop()
            if person in batch:
                later.append(person)
                continue
            own = unseen.get(person, [])
            count = min(faces_per_identity, room)
            if len(own) < 2:  # what is left makes no pair
                faces = by_identity[ends[person] - counts[person] : ends[person]]
                own += [face for face in rng.permutation(faces).tolist() if face not in own]
            batch[person], unseen[person] = np.array(own[:count]), own[count:]
            room -= len(batch[person])
        waiting += later[: len(turns)]  # the turns of few people would heap up: all are in every batch
        yield np.concatenate(list(batch.values()))


def sample_faces(faces: int, batch_size: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Batches of any faces, whoever they show, without end: passes over all of them, each in another random order.

    Args:
        faces: how many there are.
        batch_size: faces in a batch, or all where there are fewer; what is left at the end of a pass makes none.
        rng: the source of randomness.

    Yields:
        int64 [b]: indices, none twice.
    """
    size = min(batch_size, faces)
    while True:
        order = rng.permutation(faces)
        yield from (order[start : start + size] for start in range(0, faces - size + 1, size))

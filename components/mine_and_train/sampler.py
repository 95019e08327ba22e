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


def sample_batches(
    labels: Labels, batch_size: int, faces_per_identity: int, rng: np.random.Generator
) -> Iterator[Indices]:
    """Batches of identities with up to K faces each, without end (P x K sampling; Hermans et al., 2017, section 2).

    Every identity with two faces or more comes once before any comes again, and none twice in a batch.

    Args:
        labels: int64 [n], the identity of each face of the training split.
        batch_size: faces in a batch; the last identity of a batch gives only the faces that still fit.
        faces_per_identity: K, at least 2.
        rng: the source of randomness.

    Yields:
        int64 [b]: indices into `labels`, grouped by identity; b is `batch_size`, or less where people are few.
    """
    faces = _faces_by_identity(labels)
    people = [person for person, own in enumerate(faces) if len(own) >= 2]
    waiting: list[int] = []
    while True:
        batch: dict[int, Indices] = {}
        room = batch_size
        while room >= 2 and len(batch) < len(people):
            if not waiting:
                dealt = rng.permutation(people).tolist()
                # Who is in this batch already is dealt last: popped from the end, the others come first.
                waiting = [person for person in dealt if person in batch]
                waiting += [person for person in dealt if person not in batch]
            person = waiting.pop()
            batch[person] = rng.choice(faces[person], min(faces_per_identity, len(faces[person]), room), replace=False)
            room -= len(batch[person])
        yield np.concatenate(list(batch.values()))


def _faces_by_identity(labels: Labels) -> list[Indices]:
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])

"""Who takes part in a round."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sample_round(
    labels: npt.NDArray[np.int64], identities: int, faces_per_identity: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
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
    rows = []
    for person in chosen:
        faces = np.flatnonzero(labels == person)
        rows.append(rng.choice(faces, min(faces_per_identity, len(faces)), replace=False))
    return np.concatenate(rows)

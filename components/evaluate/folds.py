"""Which faces of a person take part, and in which fold each identity or pair is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.evaluate.embeddings import Indices

Folds = npt.NDArray[np.int32]


def faces_alike(identity: Indices, rng: np.random.Generator) -> Indices:
    """Draws faces so that nobody has more than the median of those people who have two or more.

    Args:
        identity: int64 [faces], numbers from 0.
        rng: decides which faces of a person.

    Returns:
        int64 [n], the faces, ascending.
    """
    counts = np.bincount(identity)
    if not (counts > 1).any():
        return np.arange(len(identity))
    shuffled = rng.permutation(len(identity))
    by_person = shuffled[np.argsort(identity[shuffled], kind="stable")]
    of_person = np.arange(len(identity)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_person[of_person < int(np.median(counts[counts > 1]))])


def deal_identities(identity: Indices, folds: int, rng: np.random.Generator) -> Folds | None:
    """Deals identities into folds of about as many faces, so that no two folds share one.

    Args:
        identity: int64 [faces], numbers from 0.
        folds: their number.
        rng: decides among identities with equally many faces.

    Returns:
        int32 [faces], the fold of each face; None when there are not two identities for each fold, one of them with two
        faces.
    """
    faces = np.bincount(identity)
    if len(faces) < 2 * folds or np.count_nonzero(faces >= 2) < folds:
        return None
    shuffled = rng.permutation(len(faces))
    largest_first = shuffled[np.argsort(-faces[shuffled], kind="stable")]
    # Back and forth, as captains choose teams: each fold gets its share of the identities with many faces.
    lap, place = np.divmod(np.arange(len(faces), dtype=np.int32), np.int32(folds))
    fold_of_identity = np.empty(len(faces), np.int32)
    fold_of_identity[largest_first] = np.where(lap % 2, folds - 1 - place, place)
    return fold_of_identity[identity]


def deal_pairs(same: npt.NDArray[np.bool_], folds: int) -> Folds:
    """Deals pairs into folds of equally many of each kind, in order: neighbours, often of one identity, stay together.

    Args:
        same: bool [p], at least `folds` of each kind.
        folds: their number.

    Returns:
        int32 [p], the fold of each pair.
    """
    fold = np.empty(len(same), np.int32)
    for kind in (same, ~same):
        count = np.count_nonzero(kind)
        fold[kind] = np.arange(count) * folds // count
    return fold

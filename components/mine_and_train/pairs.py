"""Pairs of anchor and positive, by every usual strategy, and the run of the sorted negatives that each takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.mine_and_train.strategy import Strategy
from components.mine_and_train.triplets import Distances, Embeddings, Indices, Runs

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class AnchorBlock:
    """What a block of anchors has.

    Args:
        place: of the first anchor, among all faces ordered by identity.
        each: int64 [anchors], how many pairs that take negatives each has.
        runs: those pairs, in the order of their anchors' places, and their negatives by distance.
    """

    place: int
    each: Indices
    runs: Runs

    @property
    def places(self) -> slice:
        """Those of the anchors."""
        return slice(self.place, self.place + len(self.each))

    @property
    def counts(self) -> Indices:
        """int64 [anchors], the triplets of each."""
        ends = np.concatenate([[0], np.cumsum(self.runs.count)])[np.cumsum(self.each)]
        return np.diff(ends, prepend=0)


def pairs_of(ordered: Embeddings, order: Indices, starts: Indices, strategy: Strategy) -> AnchorBlock:
    """The pairs of neighbouring identities.

    Args:
        ordered: float32 [n, size], all embeddings, ordered by identity.
        order: int64 [n], the faces they are of.
        starts: int64 [identities + 1], where each of them begins there, and where the last one ends.
        strategy: which pairs, and which negatives they take.
    """
    begin, end = starts[[0, -1]].tolist()
    distances = ordered[begin:end] @ ordered.T
    distances *= -2
    distances += 2
    np.maximum(distances, 0, out=distances)
    positives, reaches, counts = [], [], []
    for own in map(slice, starts[:-1].tolist(), starts[1:].tolist()):
        within = distances[own.start - begin : own.stop - begin, own]
        places = _positives(within, strategy.positives)
        positives.append((own.start + places).reshape(-1))
        reaches.append(np.take_along_axis(within, places, axis=1).reshape(-1))
        counts.append(places.shape[1])
        within[:] = np.inf  # sorts behind all negatives
    row = np.repeat(np.arange(end - begin), np.repeat(counts, np.diff(starts)))
    limits = np.empty((2, len(row)), np.float32)
    limits[0], limits[1] = strategy.bounds(np.concatenate(reaches))
    keys, near, runs = _sorted_keys(distances, order, row, limits)
    taken = np.flatnonzero(runs[0] < runs[1])
    anchors = order[begin:end].astype(np.int32)
    return AnchorBlock(
        place=begin,
        each=np.bincount(row[taken], minlength=end - begin),
        runs=Runs(
            anchor=anchors[row[taken]],
            positive=order[np.concatenate(positives)[taken]].astype(np.int32),
            start=runs[0, taken],
            count=runs[1, taken] - runs[0, taken],
            negatives=keys.astype(np.uint32).view(np.int32),
            owner=np.repeat(anchors, near),
        ),
    )


def _positives(within: Distances, positives: str) -> Indices:
    """int64 [m, k]: the positives of each face, among the distances of one identity's faces to each other.

    `losses.online_triplet` says the same in TensorFlow.
    """
    own = np.arange(len(within))
    if positives == "all" or len(own) < 2:
        return own[:-1] + (own[:-1] >= own[:, None])  # all but the face itself
    others = within.copy()
    np.fill_diagonal(others, -1 if positives == "hard" else 5)
    return (others.argmax(axis=1) if positives == "hard" else others.argmin(axis=1))[:, None]


def _sorted_keys(
    distances: Distances, order: Indices, row: Indices, limits: Distances
) -> tuple[Keys, Indices, Indices]:
    """The negatives that are near enough for any pair of their anchor, by distance; and the run that each pair takes.

    Args:
        distances: float32 [anchors, n], infinite to those that are no negatives.
        order: int64 [n], the faces.
        row: int64 [pairs], their anchors, ascending.
        limits: float32 [2, pairs], from which distance on a pair takes negatives, and below which.

    Returns:
        uint64 [], for each anchor in turn: distances, as bits, above the faces they lead to. int64 [anchors], how many
        of these each has. And int64 [2, pairs], where each run begins and ends there.
    """
    farthest = np.zeros(len(distances), np.float32)
    np.maximum.at(farthest, row, limits[1])
    near = distances < farthest[:, None]
    count = np.count_nonzero(near, axis=1)
    face = np.flatnonzero(near)
    distances = distances.take(face)
    face -= np.repeat(np.arange(len(count)) * len(order), count)
    keys = _keys(distances, order[face])
    limit_keys = _keys(limits, np.zeros(1, np.int64))
    begins, pairs = np.concatenate([[0], np.cumsum(count)]), np.searchsorted(row, np.arange(len(count) + 1))
    runs = np.zeros((2, len(row)), np.int64)
    for anchor in np.flatnonzero(count).tolist():
        own, of_pairs = slice(*begins[anchor : anchor + 2]), slice(*pairs[anchor : anchor + 2])
        keys[own].sort()
        runs[:, of_pairs] = begins[anchor] + keys[own].searchsorted(limit_keys[:, of_pairs])
    return keys, count, runs


def _keys(distances: Distances, faces: Indices) -> Keys:
    # The bits of floats that are not negative sort as the floats do; equally far faces are in the order of their index.
    keys = distances.view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= faces.astype(np.uint64)
    return keys

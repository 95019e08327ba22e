"""Faces into people, without names: average linkage, cut at a distance, and what somebody said about some of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Pairs = Iterable[tuple[int, int]]
_ROWS_AT_A_TIME = 512


def groups(
    embeddings: npt.NDArray[np.float32], threshold: float, same: Pairs = (), different: Pairs = ()
) -> npt.NDArray[np.int64]:
    """Groups faces: joins the nearest two groups as long as the mean squared distance between their faces is small.

    Average linkage (Sokal and Michener, 1958) on squared distances. Unlike linking every near pair, it does not chain
    two people together by one face that lies between them. Of unit vectors, the mean squared distance between groups is
    2 - 2 a.b / (|A| |B|), a and b the sums of their vectors: so a sum for each group is all that is kept, and memory is
    that of the embeddings. Joining brings no two groups nearer, so a distance that was once measured stays a bound from
    below, and is measured anew only when it is the smallest (Müllner, 2011). Time grows with the square of the number
    of faces.

    Faces of one person by `same` do not become one group at once, because the middle of two unlike photos is near to
    neither's likes: each draws others by itself, and their groups are one person in the end. Two groups are never
    joined when that would make two faces one person that are `different`.

    Args:
        embeddings: float32 [n, size], unit length.
        threshold: a distance from 0 to 2; groups are joined up to its square.
        same: pairs of faces that are one person, however far they are.
        different: pairs of faces that are not; none that `same` connects.

    Returns:
        int64 [n], the group of each face, numbered from 0 in the order of their first faces.
    """
    person = np.arange(len(embeddings))
    apart: dict[int, set[int]] = defaultdict(set)

    def unite(one: int, other: int) -> None:
        kept, gone = sorted((int(person[one]), int(person[other])))
        if kept == gone:
            return
        person[person == gone] = kept
        for enemy in apart.pop(gone, ()):
            apart[enemy] = apart[enemy] - {gone} | {kept}
            apart[kept].add(enemy)

    for one, other in same:
        unite(one, other)
    for one, other in different:
        apart[int(person[one])].add(int(person[other]))
        apart[int(person[other])].add(int(person[one]))
    # Of each group: the sum of its vectors, how many, one of its faces, and the distance that no other is nearer than.
    sums, sizes, face = embeddings.copy(), np.ones(len(embeddings), np.float32), np.arange(len(embeddings))
    bound = _nearest(embeddings)
    left = len(embeddings)
    while bound[(row := int(np.argmin(bound[:left])))] <= threshold**2:
        squared = 2 - 2 * (sums[:left] @ sums[row]) / (sizes[:left] * sizes[row])
        squared[row] = np.inf
        if enemies := apart.get(int(person[face[row]])):
            squared[np.isin(person[face[:left]], list(enemies))] = np.inf
        near = int(np.argmin(squared))
        if squared[near] > bound[row]:
            bound[row] = squared[near]
            continue
        unite(face[row], face[near])
        sums[row] += sums[near]
        sizes[row] += sizes[near]
        left -= 1
        for of_each in (sums, sizes, face, bound):  # what is left lies together, for one matrix product
            of_each[near] = of_each[left]
    return np.unique(person, return_inverse=True)[1]


def _nearest(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The squared distance of each face to the nearest other one; infinite for a face alone."""
    largest = np.empty(len(embeddings), np.float32)
    for begin in range(0, len(embeddings), _ROWS_AT_A_TIME):
        products = embeddings[begin : begin + _ROWS_AT_A_TIME] @ embeddings.T
        np.fill_diagonal(products[:, begin:], -np.inf)
        largest[begin : begin + len(products)] = products.max(axis=1)
    return 2 - 2 * largest

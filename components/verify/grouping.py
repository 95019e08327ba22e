"""Faces into people, without names: average linkage, cut at a distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def groups(embeddings: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.int64]:
    """Groups faces: two groups are joined as long as the mean squared distance between their faces is small enough.

    Average linkage (Sokal and Michener, 1958) on squared distances. Unlike linking every near pair, it does not chain
    two people together by one face that lies between them. Found by following nearest neighbours until two are each
    other's (Murtagh, 1983), which joins the same groups as always joining the nearest two. Of unit vectors, the mean
    squared distance between groups is 2 - 2 a.b / (|A| |B|), a and b the sums of their vectors: so a sum for each group
    is all that is kept, and memory is that of the embeddings. Time grows with the square of their number.

    Args:
        embeddings: float32 [n, size], unit length.
        threshold: a distance from 0 to 2; groups are joined up to its square.

    Returns:
        int64 [n], the group of each face, numbered from 0 in the order of their first faces.
    """
    sums, sizes = embeddings.copy(), np.ones(len(embeddings), np.float32)
    members = [[face] for face in range(len(embeddings))]
    group = np.empty(len(embeddings), np.int64)
    # Each of the chain is nearest to the one before; `steps` says how near, and gets ever smaller.
    chain: list[int] = []
    steps: list[float] = []
    # Rows from `still` on are no longer in use: what is left lies together, for one matrix product.
    still = len(embeddings)

    def close(row: int) -> None:
        nonlocal still
        still -= 1
        sums[row], sizes[row], members[row] = sums[still], sizes[still], members[still]
        chain[:] = [row if link == still else link for link in chain]

    while still:
        if not chain:
            chain, steps = [0], [np.inf]
        tip = chain[-1]
        squared = 2 - 2 * (sums[:still] @ sums[tip]) / (sizes[:still] * sizes[tip])
        squared[tip] = np.inf
        near = int(np.argmin(squared))
        # Rounding can make the way back a little shorter than the way there: never the same face twice.
        if squared[near] < steps[-1] and squared[near] <= threshold**2 and near not in chain:
            chain.append(near)
            steps.append(squared[near])
            continue
        chain.pop()
        if steps.pop() <= threshold**2:  # nothing is nearer than the one before: the two are one group
            into = chain.pop()
            steps.pop()
            sums[into] += sums[tip]
            sizes[into] += sizes[tip]
            members[into] += members[tip]
        else:  # joining others brings nothing nearer: this group is whole
            group[members[tip]] = min(members[tip])
        close(tip)
    return np.unique(group, return_inverse=True)[1]

"""Pairs of the photos in a folder, drawn as those of LFW were: before anybody knows which photos will give a face.

Each fold has people of its own. Each person gives as many pairs as the median person has, or all there are of fewer;
for a pair of different people two of them are drawn, and a photo of each. So nobody counts for more by many photos.

Source: Huang et al., Labeled Faces in the Wild, 2007, section IV.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.common.errors import UsageError
from components.common.quantity import quantity
from components.evaluate.embeddings import Indices
from components.evaluate.folds import deal_identities
from components.evaluate.protocols import Population

_PairsOfPhotos = list[tuple[int, int]]


def draw_pairs(photos: Sequence[str], identity: Sequence[str], folds: int, seed: int) -> str:
    """Draws pairs of photos.

    Args:
        photos: their paths, each beginning with the folder of a person.
        identity: the person of each.
        folds: how many folds there are to be; there is one where people are too few to share none.
        seed: of every choice.

    Returns:
        The text of a pairs file, as `pairs_file` reads it.

    Raises:
        UsageError: too few people or photos, or a name that no line can hold.
    """
    for path in photos:
        if "\t" in path or len(path.splitlines()) != 1:
            raise UsageError(
                "The name of a photo has a tab or a line break in it, which ends a line of a list of pairs.",
                received=repr(path),
                advice="Give it another name.",
            )
    rng = np.random.default_rng(seed)
    people: Indices = np.unique(np.array(identity, dtype=object), return_inverse=True)[1]
    counts = np.bincount(people)
    fold = deal_identities(people, folds, rng)
    if fold is None:
        fold = np.zeros(len(people), np.int32)
    several = counts[counts > 1].astype(np.int64)
    most = int(np.median(several * (several - 1) // 2)) if len(several) else 0
    drawn = [_of_fold(np.flatnonzero(fold == number), people, most, rng) for number in range(fold.max() + 1)]
    each = min(len(same) for same, _ in drawn)
    if each * len(drawn) < 2:
        raise UsageError(
            "There are too few photos to draw pairs of.",
            received=f"{quantity(len(photos), 'photo')} of {quantity(len(counts), 'person', 'people')}, "
            f"{len(several)} of them with two or more",
            advice="Two pairs of one person and two of different people are the least: photos of two people, two each.",
        )
    lines = [
        f"{photos[one]}\t{photos[other]}"
        for same, other_kind in drawn
        for one, other in same[:each] + other_kind[:each]
    ]
    return "\n".join([f"{len(drawn)}\t{each}", *lines, ""])


def _of_fold(
    faces: Indices, people: Indices, most: int, rng: np.random.Generator
) -> tuple[_PairsOfPhotos, _PairsOfPhotos]:
    """As many pairs of one person as of different people, in no order."""
    of_each = [faces[people[faces] == person] for person in np.unique(people[faces])]
    same: _PairsOfPhotos = []
    for own in of_each:
        if len(own) > 1:
            population = Population.of(own, people)
            pairs = population.draw(min(most, population.counts()[0]), 0, rng).as_pairs()
            same += zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    same = [same[place] for place in rng.permutation(len(same))]
    wanted = min(len(same), Population.of(faces, people).counts()[1])
    different: dict[tuple[int, int], None] = {}
    while len(different) < wanted:
        one, other = sorted(rng.choice(len(of_each), 2, replace=False))
        different[int(rng.choice(of_each[one])), int(rng.choice(of_each[other]))] = None
    return same[:wanted], list(different)

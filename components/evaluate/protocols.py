"""Which pairs are compared: drawn from the identities of a split, in folds.

Two sets of pairs. *Scored* pairs, half of them same-identity, lie in folds that share no identity: accuracy is measured
on them. *Compared* pairs, all pairs among the faces or a sample, have no folds: AUC, EER, VAL and the worst mistakes
come from them, because small false accept rates need many different-identity pairs.

A person with 100 photos has 4,950 pairs, and would count as much as 1,650 people with three. So nobody takes part with
more faces than the median person has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.common.draw import Draw, Numbers
from components.common.errors import UsageError
from components.evaluate.embeddings import Indices, Names
from components.evaluate.folds import Folds, deal_identities, deal_pairs, faces_alike

Faces = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Pairs:
    """Pairs of faces: int32 [p] indices of the first and second faces, and bool [p], the same identity or not."""

    first: Faces
    second: Faces
    same: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.same)

    @property
    def same_count(self) -> int:
        """The number of same-identity pairs."""
        return int(np.count_nonzero(self.same))

    def of_kind(self, same: bool) -> Iterator[tuple[Faces, Faces]]:
        """First and second faces of the pairs of one kind."""
        kind = self.same == same
        yield self.first[kind], self.second[kind]

    def as_pairs(self) -> Pairs:
        """These pairs."""
        return self


@dataclass(frozen=True)
class Missing:
    """What a pairs file names but the embeddings lack.

    Args:
        faces: how many.
        pairs: how many need one of them.
        first: the first few faces.
        pairs_per_fold: those pairs by fold; empty without a pairs file.
    """

    faces: int = 0
    pairs: int = 0
    first: list[str] = field(default_factory=list)
    pairs_per_fold: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Protocol:
    """What is measured on what.

    Args:
        kind: "unseen-folds", "shared-folds", "pairs-file" or "templates".
        scored: pairs for accuracy.
        fold: int32 [len(scored)], from 0.
        compared: pairs for everything else; there may be too many of them to list.
        notes: what a reader of the numbers must know, in sentences.
        missing: what a pairs file names but the embeddings lack.
        slice: str or None [len(scored)], the slice of each pair; None without a pairs file that names slices.
    """

    kind: str
    scored: Pairs
    fold: Folds
    compared: Pairs | DrawnPairs
    notes: list[str]
    missing: Missing = field(default_factory=Missing)
    slice: Names | None = None


@dataclass(frozen=True)
class Population:
    """Faces whose pairs can be counted, and drawn by number, without listing them all.

    Sorted by identity, the partners of a face are two ranges: those after it in its identity's block, and all after
    that block. So every pair has a number, and a sample of numbers is a sample of pairs without replacement.

    Args:
        faces: int32 [n], sorted by identity.
        block_end: int64 [n], for each face the end of its identity's block.
    """

    faces: Faces
    block_end: Indices

    @classmethod
    def of(cls, faces: Indices, identity: Indices) -> Population:
        """The population of some faces; `identity` is int64 for all faces."""
        faces = faces[np.argsort(identity[faces], kind="stable")]
        return cls(faces.astype(np.int32), np.searchsorted(identity[faces], identity[faces], side="right"))

    def counts(self) -> tuple[int, int]:
        """The number of same-identity and of different-identity pairs."""
        n = len(self.faces)
        same = int((self.block_end - np.arange(1, n + 1)).sum())
        return same, n * (n - 1) // 2 - same

    def draw(self, same: int, different: int, rng: np.random.Generator) -> DrawnPairs:
        """Draws that many pairs of each kind: all of them, or a sample."""
        of_same, of_different = self.counts()
        return DrawnPairs(self, Draw.of(of_same, same, rng), Draw.of(of_different, different, rng))

    def pairs_of(self, numbers: Numbers, same: bool) -> tuple[Faces, Faces]:
        """First and second faces of the pairs of one kind that have these numbers, ascending."""
        n = len(self.faces)
        begin, end = (np.arange(1, n + 1), self.block_end) if same else (self.block_end, np.full(n, n))
        partners = end - begin
        after = np.cumsum(partners)
        each = np.diff(np.searchsorted(numbers, after), prepend=0)
        second = numbers + np.repeat(begin - (after - partners), each)
        return np.repeat(self.faces, each), self.faces[second]


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs drawn from a population, some or all of them, of which only some are listed at a time.

    Args:
        population: the faces.
        same: the numbers of same-identity pairs.
        different: the numbers of different-identity pairs.
    """

    population: Population
    same: Draw
    different: Draw

    def __len__(self) -> int:
        return self.same.count + self.different.count

    @property
    def same_count(self) -> int:
        """The number of same-identity pairs."""
        return self.same.count

    def of_kind(self, same: bool) -> Iterator[tuple[Faces, Faces]]:
        """First and second faces of the pairs of one kind, some at a time."""
        for numbers in (self.same if same else self.different).pieces():
            yield self.population.pairs_of(numbers, same)

    def as_pairs(self) -> Pairs:
        """All pairs, listed: the same-identity pairs first."""
        none = np.empty(0, np.int32)  # a single face is in no pair
        first, second = zip((none, none), *self.of_kind(True), *self.of_kind(False), strict=True)
        return Pairs(
            np.concatenate(first),
            np.concatenate(second),
            np.repeat([True, False], [self.same.count, self.different.count]),
        )


def from_identities(identity: Indices, *, folds: int, max_pairs: int, seed: int, where: str) -> Protocol:
    """Pairs among faces by their identities.

    Args:
        identity: int64 [faces], numbers from 0.
        folds: at least 2.
        max_pairs: at least 2 * `folds`; more scored, or more compared, pairs are sampled down to it.
        seed: of every choice.
        where: names the place of the faces in messages.

    Raises:
        UsageError: too few identities, or too few pairs for two folds.
    """
    rng = np.random.default_rng(seed)
    faces = faces_alike(identity, rng)
    everyone = Population.of(faces, identity)
    same, different = everyone.counts()
    balanced = min(same, different, max_pairs // 2)
    _check_enough(identity, same, balanced, where)
    fold_of_face = deal_identities(identity[faces], folds, rng)
    if fold_of_face is None:
        kind, notes = "shared-folds", [_why_shared(identity, folds)]
        scored = everyone.draw(balanced, balanced, rng).as_pairs()
        fold = deal_pairs(scored.same, min(folds, balanced))
    else:
        kind, notes = "unseen-folds", []
        scored, fold = _pairs_in_folds(identity, faces, fold_of_face, max_pairs // (2 * folds), rng)
    if len(faces) < len(identity):
        most = np.bincount(identity[faces]).max()
        notes.append(
            f"So that each person counts alike, nobody is measured by more than {most:,} faces, as many as the median "
            f"person has: {len(faces):,} of {len(identity):,} faces, drawn by the seed."
        )
    if scored.same_count < same:
        notes.append(
            f"Accuracy is measured on a seeded sample of {scored.same_count:,} of {same:,} same-identity pairs and as "
            "many different-identity pairs."
        )
    some_same = min(same, max(max_pairs // 2, max_pairs - different))
    some_different = min(different, max_pairs - some_same)
    if some_same + some_different < same + different:
        notes.append(
            f"AUC, EER and VAL are measured on a seeded sample: {some_same:,} of {same:,} same-identity and "
            f"{some_different:,} of {different:,} different-identity pairs."
        )
    return Protocol(kind, scored, fold, everyone.draw(some_same, some_different, rng), notes)


def _check_enough(identity: Indices, same: int, balanced: int, where: str) -> None:
    identities = len(np.unique(identity))
    if identities < 2:
        headline = "An evaluation needs at least two identities."
    elif not same:
        headline = "An evaluation needs identities with at least two faces each: there is no same-identity pair."
    elif balanced < 2:
        headline = "An evaluation needs at least two same-identity and two different-identity pairs."
    else:
        return
    raise UsageError(
        headline,
        received=f"{where}: identities {identities}, faces {len(identity)}, same-identity pairs {same}",
        advice="Add photos of more people, give the test more of them with a larger `facenet collect --test`, or take "
        "`--split all`, which also measures people that the network was trained on.",
    )


def _pairs_in_folds(
    identity: Indices, faces: Indices, fold_of_face: Folds, largest: int, rng: np.random.Generator
) -> tuple[Pairs, Folds]:
    """In each fold all same-identity pairs, or `largest` of them, and as many different-identity pairs."""
    drawn = []
    for number in range(fold_of_face.max() + 1):
        population = Population.of(faces[fold_of_face == number], identity)
        balanced = min(*population.counts(), largest)
        drawn.append(population.draw(balanced, balanced, rng).as_pairs())
    first, second, same = (
        np.concatenate([getattr(pairs, name) for pairs in drawn]) for name in ("first", "second", "same")
    )
    return Pairs(first, second, same), np.repeat(np.arange(len(drawn), dtype=np.int32), [len(pairs) for pairs in drawn])


def _why_shared(identity: Indices, folds: int) -> str:
    faces = np.bincount(identity)
    return (
        f"The folds share identities: {folds} folds without shared identities need {2 * folds} identities, {folds} of "
        f"them with two or more faces; there are {len(faces)} and {np.count_nonzero(faces >= 2)}. The true uncertainty "
        "of the accuracy is larger than its spread over the folds."
    )

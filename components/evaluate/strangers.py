"""Up to which distance a face may be somebody's in a gallery, so that few strangers get a name: what is handed on.

Only strangers are searched for, and so nobody keeps a photo to be searched for: everybody with two photos can be
enrolled with both, and everybody is a stranger to some gallery. Rates and terms are those of `identification.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluate.bootstrap import gallery_interval
from components.evaluate.embeddings import Indices
from components.evaluate.galleries import DRAWS, LEAST_PEOPLE, SIZES, Gallery, Plan, galleries
from components.evaluate.metrics import Distances
from components.evaluate.on_disk import Vectors
from components.evaluate.references import References, Rule
from components.evaluate.searches import Similarities, best_similarities

FALSE_POSITIVE_RATES = (1e-1, 1e-2, 1e-3)
# Two numbers of faces: for others the distance lies on the line through them, as components/litert/README.md says.
ENROLLED = (1, 2)
# So many different faces of strangers have to get a name. With ten of them, the share among other strangers is mostly
# within half and twice.
LEAST_NAMED = 10
# Ten people say little of others: of small galleries so many are drawn that they hold about as many as the largest.
_MOST_DRAWS = 50


@dataclass(frozen=True)
class Nonmated:
    """Searches for strangers in some galleries of one kind.

    Args:
        nearest: float64 [searches], distances of the nearest candidates.
        faces: int64 [searches], the probes.
        people: int64 [searches], their identities.
        gallery: int64 [searches], which of the galleries is searched, numbers from 0.
    """

    nearest: Distances
    faces: Indices
    people: Indices
    gallery: Indices

    @classmethod
    def of(cls, grid: Vectors, identity: Indices, drawn: Sequence[Gallery], enrolled: int, rule: Rule) -> Nonmated:
        """Searches galleries in which so many faces of each person are enrolled."""
        similarities = [
            best_similarities(References(grid, gallery.enrolled[:, :enrolled], rule), grid, gallery.strangers)
            for gallery in drawn
        ]
        faces = np.concatenate([gallery.strangers for gallery in drawn])
        number = np.repeat(np.arange(len(drawn)), [len(gallery.strangers) for gallery in drawn])
        return cls(as_distances(np.concatenate(similarities)), faces, identity[faces], number)

    @property
    def different_faces(self) -> int:
        """How many different faces the probes are: draws show a face again, which tells no more of strangers."""
        return len(np.unique(self.faces))

    def thresholds(self, seed: int) -> Iterator[dict[str, Any]]:
        """For each rate, and for the smallest that can be measured, the largest distance at which not more get a name.

        It is None where fewer than `LEAST_NAMED` different faces would get one. The interval is that of the rate at
        this distance in one other gallery; `seed` is that of its bootstrap.
        """
        nearest, searched = np.sort(self.nearest), self._of_each(np.ones(len(self.nearest), bool))
        smallest = LEAST_NAMED / self.different_faces
        measurable = {
            rate for rate in (*FALSE_POSITIVE_RATES, smallest) if smallest <= rate <= max(FALSE_POSITIVE_RATES)
        }
        for fpir in sorted({*FALSE_POSITIVE_RATES, *measurable}, reverse=True):
            threshold = interval = None
            # As many as are nearer than the first that would be too many.
            named = int(np.searchsorted(nearest, nearest[int(fpir * len(nearest) + 1e-9)]))
            if fpir in measurable and named:
                threshold = float(nearest[named - 1])
                interval = list(gallery_interval(self._of_each(self.nearest <= threshold), searched, seed))
            yield {"fpir": fpir, "threshold": threshold, "fpir_interval": interval}

    def _of_each(self, counted: npt.NDArray[np.bool_]) -> Indices:
        """How many of the searches count, int64 [galleries, people], of everybody who is a stranger to one of them."""
        people = np.unique(self.people, return_inverse=True)[1]
        counts = np.zeros((int(self.gallery.max()) + 1, int(people.max()) + 1), np.int64)
        np.add.at(counts, (self.gallery, people), counted)
        return counts


def thresholds(grid: Vectors, identity: Indices, rule: Rule, seed: int) -> list[dict[str, Any]]:
    """Thresholds for galleries of some sizes.

    Args:
        grid: float32 [faces, size], of `references.on_grid`.
        identity: int64 [faces], numbers from 0.
        rule: how several faces of a person become one score.
        seed: of the draws of galleries, and of the bootstrap.

    Returns:
        Rows of people, enrolled_faces, fpir, threshold and fpir_interval, the last two None where not measurable.
    """
    counts = np.bincount(identity)
    people, enrollable = int(np.count_nonzero(counts)), np.flatnonzero(counts >= ENROLLED[-1])
    largest = min(len(enrollable), people // 2)
    if largest < LEAST_PEOPLE:
        return []
    sizes = [*(size for size in SIZES if size < largest), largest]
    plan, rows = Plan(people, enrollable, sizes, list(ENROLLED)), []
    for size in sizes:
        draws = max(DRAWS, min(_MOST_DRAWS, largest // size))
        drawn = list(galleries(identity, plan, size, seed, draws))
        for enrolled in ENROLLED:
            searches = Nonmated.of(grid, identity, drawn, enrolled, rule)
            rows += [{"people": size, "enrolled_faces": enrolled, **at} for at in searches.thresholds(seed)]
    return rows


def as_distances(similarities: Similarities) -> Distances:
    """Of unit vectors |a - b|^2 = 2 - 2 a.b; of a mean score, the root of the mean squared distance."""
    return np.sqrt(np.maximum(2 - 2 * similarities, 0))

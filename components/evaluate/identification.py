"""Open-set identification: who of a gallery is it, or nobody?

Terms and rates are those of ISO/IEC 19795-1 and of NIST's FRTE 1:N (NIST IR 8271, section 3). A search compares a probe
with everybody in a gallery of N people. In a mated search the probe's person, the mate, is enrolled; in a nonmated
search they are a stranger. With a threshold T on the distance, which is smaller the more similar two faces are:

- FPIR(N, T), false positive identification rate: the share of nonmated searches with a candidate at T or nearer.
- FNIR(N, R, T), false negative identification rate: the share of mated searches whose mate is not among the R nearest
  candidates or is farther than T. A rank-R hit rate is 1 - FNIR(N, R, any distance).

FNIR at an FPIR is taken at the largest threshold whose FPIR is not above it, with R = 1: the name that would be given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.common.quantity import quantity
from components.evaluate.bootstrap import Interval, search_intervals
from components.evaluate.embeddings import Indices
from components.evaluate.galleries import DRAWS, Gallery, Plan, galleries
from components.evaluate.metrics import Curve, Distances, curve, roc, val_at_far
from components.evaluate.on_disk import Vectors
from components.evaluate.references import RULES, References, Rule, on_grid
from components.evaluate.searches import mate_ranks
from components.evaluate.strangers import FALSE_POSITIVE_RATES, Nonmated, as_distances, thresholds

# That of `identify`: `components.common.directions`.
RULE: Rule = "mean embedding"
RANKS = (1, 5, 10)
# Where a mate is who is not the first candidate: farther than any face.
_MISSED = 3.0
_DET_POINTS = 100


def identification(vectors: Vectors, identity: Indices, seed: int) -> dict[str, Any]:
    """All numbers about identification, as plain finite values.

    Args:
        vectors: float32 [faces, size], of nearly unit length.
        identity: int64 [faces], numbers from 0.
        seed: of the draws of galleries, and of the bootstrap.

    Returns:
        The key identification of `metrics.json`; see metrics.schema.json.
    """
    plan = Plan.of(identity)
    if not plan.sizes:
        return {"not_measured": _too_few(plan), "draws": DRAWS, "galleries": [], "thresholds": []}
    grid, rows = on_grid(vectors), []
    for size in plan.sizes:
        drawn = list(galleries(identity, plan, size, seed))
        for enrolled in plan.enrolled:
            # Of one face all rules make the same; the largest gallery shows best what they differ in.
            rules = RULES if enrolled > 1 and size == plan.sizes[-1] else (RULE,)
            for rule in rules:
                searches = Searches.of(grid, identity, drawn, enrolled, rule)
                rows.append({"people": size, "enrolled_faces": enrolled, "rule": rule, **searches.numbers(seed)})
    return {
        "not_measured": "",
        "draws": DRAWS,
        "galleries": rows,
        "thresholds": thresholds(grid, identity, RULE, seed),
    }


def _too_few(plan: Plan) -> str:
    people, enrollable = quantity(plan.people, "person", "people"), len(plan.enrollable)
    return (
        "Identification is not measured: it takes two people with two faces or more to enrol, and as many others as "
        f"strangers. There are {people}, {enrollable:,} of them with so many faces."
    )


@dataclass(frozen=True)
class Searches:
    """All searches of the galleries of one kind.

    Args:
        distances: float64 [mated], of the mates.
        ranks: int64 [mated], their places among the candidates, from 1.
        people: int64 [mated], the identities of the probes.
        nonmated: those for strangers.
    """

    distances: Distances
    ranks: Indices
    people: Indices
    nonmated: Nonmated

    @classmethod
    def of(
        cls,
        grid: Vectors,
        identity: Indices,
        drawn: Sequence[Gallery],
        enrolled: int,
        rule: Rule,
    ) -> Searches:
        """Searches galleries in which so many faces of each person are enrolled."""
        mates = [
            mate_ranks(References(grid, gallery.enrolled[:, :enrolled], rule), grid, gallery.mated, gallery.mate)
            for gallery in drawn
        ]
        similarities, ranks = map(np.concatenate, zip(*mates, strict=True))
        return cls(
            as_distances(similarities),
            ranks,
            identity[np.concatenate([gallery.mated for gallery in drawn])],
            Nonmated.of(grid, identity, drawn, enrolled, rule),
        )

    @property
    def named(self) -> Distances:
        """float64 [mated]: of the mates who are the first candidates; of the others farther than any face."""
        return np.where(self.ranks == 1, self.distances, _MISSED)

    @property
    def curve(self) -> Curve:
        """How many mates are named, and how many strangers get a name, at every threshold."""
        nearest = self.nonmated.nearest
        return curve(np.concatenate([self.named, nearest]), np.arange(len(self.ranks) + len(nearest)) < len(self.ranks))

    def numbers(self, seed: int) -> dict[str, Any]:
        """Rates, with the ranges in which 95 % of a bootstrap over people lie; `seed` is that of the bootstrap."""
        named, whole, nearest = self.named, self.curve, self.nonmated.nearest
        faces = self.nonmated.different_faces
        measurable = [rate for rate in FALSE_POSITIVE_RATES if faces * rate >= 1]
        uncertain = search_intervals(named, self.people, nearest, self.nonmated.people, measurable, seed)
        return {
            "mated_searches": len(named),
            "nonmated_searches": len(nearest),
            "stranger_faces": faces,
            "hit_rates": [{"rank": rank, "rate": float(np.mean(self.ranks <= rank))} for rank in RANKS],
            "fnir_at_fpir": [
                _fnir_at_fpir(whole if rate in measurable else None, rate, uncertain.get(rate))
                for rate in FALSE_POSITIVE_RATES
            ],
            "det": [
                [fpir, 1 - val, threshold] for fpir, val, threshold in roc(whole, _DET_POINTS) if threshold < _MISSED
            ],
        }


def _fnir_at_fpir(whole: Curve | None, fpir: float, uncertain: Interval | None) -> dict[str, Any]:
    val, threshold = (whole and val_at_far(whole, fpir)) or (None, None)
    return {
        "fpir": fpir,
        "fnir": None if val is None else 1 - val,
        "fnir_interval": [1 - val for val in reversed(uncertain.val)] if uncertain else None,
        "threshold": threshold,
        "threshold_interval": list(uncertain.threshold) if uncertain else None,
    }

"""For whom, and on which photos, does it work less well: error rates of slices at one threshold for all.

Terms are those of ISO/IEC 19795-1 and of ISO/IEC 19795-10:2024, which measures how performance differs between groups:

- FMR, false match rate of a slice: the share of pairs of different people, both faces in the slice, at the threshold or
  nearer.
- FNMR, false non-match rate of a slice: the share of same-identity pairs, both faces in the slice, that are farther.

The threshold is that of the whole report: nobody sets another one for each group. Pairs across slices are apart,
because strangers of one group resemble each other more (NIST IR 8280, FRVT Part 3, 2019). Slices are compared by the
ratio of the highest rate to the lowest (among the measures of NIST IR 8429, FRVT Part 8, 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluate.bootstrap import TAILS, rate_replicates
from components.evaluate.chance import LEAST_PEOPLE
from components.evaluate.embeddings import Indices, pair_distances
from components.evaluate.on_disk import Vectors
from components.evaluate.protocols import Population
from components.evaluate.slices import UNKNOWN, Column, Places

# Of each kind in each slice. Of so many pairs the people, and not the pairs, are too few.
MOST_PAIRS = 200_000
# So many errors put the true rate within 30 % of the measured one, with a confidence of 90 % (ISO/IEC 19795-1).
ENOUGH_ERRORS = 30
_CONFIDENCE = 0.95

Replicates = npt.NDArray[np.float64]


def differentials(
    vectors: Vectors, identity: Indices, columns: Sequence[Column], threshold: float | None, seed: int
) -> dict[str, Any]:
    """Error rates of all slices, as plain finite values.

    Args:
        vectors: float32 [faces, size], unit length.
        identity: int64 [faces], numbers from 0.
        columns: how the faces are divided.
        threshold: up to which distance a pair is accepted; None where too few pairs show one.
        seed: of the draws of pairs, and of the bootstrap.

    Returns:
        What `differentials` in `metrics.json` holds, without far, threshold and notes; see metrics.schema.json.
    """
    if threshold is None or not len(identity):
        what = "pairs to choose a threshold by" if len(identity) else "people in this split"
        return {
            "not_measured": f"Slices are not measured: there are too few {what}.",
            "everybody": None,
            "columns": [],
            "not_compared": [],
        }
    measure = _Measure(vectors, identity, threshold, seed)
    everybody = measure.rates(np.arange(len(identity)))
    return {
        "not_measured": "",
        "everybody": {kind: rate.record for kind, rate in everybody.items()},
        "columns": [_of_column(column, measure) for column in columns if len(column.slices) > 1],
        "not_compared": [_why_not_compared(column) for column in columns if len(column.slices) < 2],
    }


def _why_not_compared(column: Column) -> str:
    if not column.slices:
        return f"The {column.name} is not known of any face."
    return f"The {column.name} is alike in all faces: {column.slices[0]}."


@dataclass(frozen=True)
class _Rate:
    """An error rate as `metrics.json` has it, and as it is in each replicate of the bootstrap."""

    record: dict[str, Any]
    replicates: Replicates


@dataclass(frozen=True)
class _Measure:
    vectors: Vectors
    identity: Indices
    threshold: float
    seed: int

    def rates(self, faces: Indices, place: Places | None = None) -> dict[str, _Rate]:
        """FMR and FNMR of the pairs among some faces; with `place` of those alone whose faces are in two slices.

        All pairs of each kind, or `MOST_PAIRS` of them, drawn for these faces: so a small slice has as many as a large.
        """
        population = Population.of(faces, self.identity)
        same, different = population.counts()
        rng = np.random.default_rng(self.seed)
        drawn = population.draw(min(same, MOST_PAIRS), min(different, MOST_PAIRS), rng).as_pairs()
        first, second, is_same = drawn.first, drawn.second, drawn.same
        if place is not None:
            across = place[first] != place[second]
            first, second, is_same = first[across], second[across], is_same[across]
        accepted = pair_distances(self.vectors, first, second) <= self.threshold
        of_first, of_second = self.identity[first], self.identity[second]
        return {
            "fmr": self._rate(of_first[~is_same], of_second[~is_same], accepted[~is_same]),
            "fnmr": self._rate(of_first[is_same], None, ~accepted[is_same]),
        }

    def _rate(self, first: Indices, second: Indices | None, wrong: npt.NDArray[np.bool_]) -> _Rate:
        """Of pairs of these people, or of one person each: how many are called wrongly."""
        people = int(self.identity.max()) + 1
        whose, entry = np.unique(first if second is None else first * people + second, return_inverse=True)
        pairs = np.bincount(entry, minlength=len(whose))
        errors = np.bincount(entry[wrong], minlength=len(whose))
        one, other = (whose, None) if second is None else np.divmod(whose, people)
        replicates = rate_replicates(errors, pairs, one, other, np.unique(self.identity), self.seed)
        total, found = len(wrong), int(np.count_nonzero(wrong))
        involved = len(whose) if other is None else len(np.union1d(one, other))
        record = {
            "rate": found / total if total else None,
            "interval": _interval(found, total, involved, len(whose), replicates),
            "errors": found,
            "pairs": total,
            "people": involved,
            "different": len(whose),
        }
        return _Rate(record, replicates)


def _interval(errors: int, pairs: int, people: int, different: int, replicates: Replicates) -> list[float] | None:
    """The 95 % range of a rate.

    A bootstrap knows no errors but those that it has seen: without any, the range is that of the exact binomial
    distribution (about 3 / n, the rule of three), in which a person, or a pair of people, counts once.
    """
    if people < LEAST_PEOPLE:
        return None
    bound = (1 - _CONFIDENCE) ** (1 / different)
    if errors == 0:
        return [0.0, 1 - bound]
    if errors == pairs:
        return [bound, 1.0]
    return [float(end) for end in np.quantile(replicates[~np.isnan(replicates)], TAILS)]


def _of_column(column: Column, measure: _Measure) -> dict[str, Any]:
    faces = [np.flatnonzero(column.place == number) for number in range(len(column.slices))]
    slices = [measure.rates(inside) for inside in faces]
    across = measure.rates(np.flatnonzero(column.place != UNKNOWN), column.place)
    ratios = {kind: _ratio(column.slices, [rates[kind] for rates in slices]) for kind in ("fmr", "fnmr")}
    rows = [
        {
            "slice": name,
            "people": len(np.unique(measure.identity[inside])),
            "faces": len(inside),
            **{kind: rate.record for kind, rate in rates.items()},
        }
        for name, inside, rates in zip(column.slices, faces, slices, strict=True)
    ]
    return {
        "column": column.name,
        "unknown_faces": int(np.count_nonzero(column.place == UNKNOWN)),
        "slices": rows,
        "across": {kind: rate.record for kind, rate in across.items()},
        "ratios": ratios,
        "cannot_tell": [*_cannot_tell("FMR", "fmr", rows), *_cannot_tell("FNMR", "fnmr", rows)],
    }


def _ratio(names: Sequence[str], rates: Sequence[_Rate]) -> dict[str, Any] | None:
    """The highest rate over the lowest, of slices with enough people.

    Of several slices alike, chance makes one the highest. So the range is that in which with 95 % confidence the ratios
    of all pairs of slices lie (Bonferroni), by the deviation of the logarithm over the replicates, of which each has
    the same people for both rates. Where the lowest rate is 0 there is no ratio, but a least one: the low end of the
    highest rate's range over the high end of the lowest's.

    Returns:
        None with fewer than two such slices, or without an error in any.
    """
    known = [number for number, rate in enumerate(rates) if rate.record["interval"] is not None]
    known.sort(key=lambda number: (rates[number].record["rate"], rates[number].record["interval"][1]))
    if len(known) < 2 or not rates[known[-1]].record["errors"]:
        return None
    low, high = rates[known[0]], rates[known[-1]]
    found: dict[str, Any] = {"highest": names[known[-1]], "lowest": names[known[0]]}
    if not low.record["errors"]:
        least = high.record["interval"][0] / low.record["interval"][1]
        return {**found, "ratio": None, "interval": [least, None]}
    ratio = high.record["rate"] / low.record["rate"]
    both = (high.replicates > 0) & (low.replicates > 0)
    compared = len(known) * (len(known) - 1) / 2
    deviations = NormalDist().inv_cdf(1 - TAILS[0] / compared)
    spread = float(np.exp(deviations * np.std(np.log(high.replicates[both] / low.replicates[both]), ddof=1)))
    least = 0.0 if (high.replicates == 0).any() else ratio / spread
    most = None if (low.replicates == 0).any() else ratio * spread
    return {**found, "ratio": ratio, "interval": [least, most]}


def _cannot_tell(name: str, kind: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the data cannot say of one rate, in sentences."""
    whose = "people" if kind == "fnmr" else "pairs of people"

    def slices(fits: Callable[[Mapping[str, Any]], bool]) -> str:
        return ", ".join(f'"{row["slice"]}"' for row in rows if fits(row[kind]))

    told = []
    if none := slices(lambda rate: not rate["pairs"]):
        told.append(f"No {name} is measurable in {none}: there is no such pair.")
    if few := slices(lambda rate: rate["pairs"] and rate["interval"] is None):
        told.append(
            f"The {name} of {few} says nothing of others: fewer than {LEAST_PEOPLE} people have such pairs there."
        )
    for row in rows:
        rate = row[kind]
        if rate["interval"] and not rate["errors"]:
            told.append(
                f'No error among {rate["different"]:,} {whose} in "{row["slice"]}": the {name} may be anything up to '
                f"{100 * rate['interval'][1]:.2g}%."
            )
    if scarce := slices(lambda rate: rate["interval"] and 0 < rate["errors"] < ENOUGH_ERRORS):
        told.append(f"The {name} of {scarce} may well be off by a third or more: fewer than {ENOUGH_ERRORS} errors.")
    return told


def ratios_in_words(column: Mapping[str, Any]) -> str:
    """Between which slices of a column the rates differ most, in sentences; "" where no ratio is known.

    Args:
        column: as in `metrics.json`.
    """
    told = []
    for name, kind in (("FMR", "fmr"), ("FNMR", "fnmr")):
        if (found := column["ratios"][kind]) is None:
            continue
        least, most = found["interval"]
        high, low = f'{name} is highest in "{found["highest"]}"', f'in "{found["lowest"]}"'
        if least <= 1:
            told.append(f"{high} and lowest {low}, but whether they differ cannot be told.")
        elif found["ratio"] is None:
            told.append(f"{high}, at least {least:.1f} times as high as {low}, where it is 0.")
        else:
            span = f"{least:.2f} or more" if most is None else f"{least:.2f} to {most:.2f}"
            told.append(f"{high}, {found['ratio']:.1f} times as high as {low} (95% range {span}).")
    return " ".join(told)

"""What a search file says: `facenet tune SEARCH.yaml`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import MALFORMED, UsageError
from components.common.suggest import suggestion
from pipelines.plan.changes import with_setting
from pipelines.plan.recipe import Loader
from pipelines.plan.tasks import PHOTOS, Pipeline
from pipelines.plan.values import Value

TRAINED = "mine-and-train"
ROUNDS, UNTIL = "rounds", f"{TRAINED}.until"
# What the training reports of the people who are held out for validation: the higher, the better.
SCORES = ("validation_auc", "validation_accuracy")
SAMPLERS = ("random", "grid", "tpe")
_MOST_TRIALS = 10_000
_EXAMPLE = (
    "A search has settings to try:\n"
    "  recipe: laptop\n"
    "  search:\n"
    "    mine-and-train.learning_rate: {log: [1e-4, 1e-2]}\n"
    "    mine-and-train.margin: [0.1, 0.2, 0.3]\n"
    "  trials: 16"
)


@dataclass(frozen=True)
class Choices:
    """One of these values."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """Any number from `low` to `high`; where `log`, its logarithm is uniform. Whole numbers where `whole`."""

    low: float
    high: float
    log: bool
    whole: bool = False


Domain = Choices | Range


@dataclass(frozen=True)
class Search:
    """A search.

    Args:
        search: what to try, by `parameter` of the pipeline or `task.parameter`.
        recipe: the recipe that the rest is taken from; None for the one of `facenet run`.
        set: settings that all trials have, over the recipe's.
        trials: how many; of a grid all its points when None.
        sampler: `random`; `grid`, every combination of choices; `tpe`, which learns from the trials that are done.
        halving: after each rung one trial in so many goes on, with so many times the rounds; 0 trains all to the end.
        by: one of `SCORES`.
        seed: of the sampler.
        refit: whether the winner is trained once more, on the people for validation too.
    """

    search: Mapping[str, Domain]
    recipe: str | None = None
    set: Mapping[str, Value] | None = None
    trials: int | None = None
    sampler: str = "random"
    halving: int = 0
    by: str = SCORES[0]
    seed: int = 0
    refit: bool = False

    @property
    def rungs(self) -> int:
        """How many rungs there are: one more each time that the trials can be divided once more."""
        rungs, left = 1, self.trials or 1
        while self.halving and left >= self.halving:
            rungs, left = rungs + 1, left // self.halving
        return rungs


def read(file: Path) -> tuple[Search, dict[str, Any]]:
    """Reads a search file.

    Returns:
        The search, and the file's content as plain values.

    Raises:
        UsageError: it is none; with what is wrong and what to write.
    """
    try:
        content = Loader(file.read_text(encoding="utf-8")).get_single_data()
    except (OSError, yaml.YAMLError, *MALFORMED) as error:
        raise UsageError("The search file cannot be read.", received=f"{file} ({error})", advice=_EXAMPLE) from error
    if not isinstance(content, dict) or not isinstance(content.get("search"), dict) or not content["search"]:
        raise UsageError("This file is not a search.", received=file, advice=_EXAMPLE)
    known = {one.name: one for one in fields(Search)}
    for key in content:
        if key not in known:
            raise UsageError("A search has no such key.", received=f"{file}: {key}", advice=suggestion(str(key), known))
    for key, (fits, what) in _KEYS.items():
        if key in content and not fits(content[key]):
            raise UsageError(
                f"`{key}` is {what}.",
                received=f"{file}: {key}: {content[key]}",
                advice="pipelines/README.md has an example.",
            )
    domains = {str(name): _domain(str(name), value) for name, value in content["search"].items()}
    search = Search(**{**content, "search": domains})
    _check(search)
    if search.sampler == "grid":
        points = math.prod(len(domain.values) for domain in domains.values() if isinstance(domain, Choices))
        search = replace(search, trials=min(points, search.trials or _MOST_TRIALS))
    return search, content


def _whole(least: int, most: int = 2**32) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


_KEYS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "recipe": (lambda value: isinstance(value, str), "the name of a recipe, or the path of one"),
    "set": (lambda value: isinstance(value, dict) and all(isinstance(key, str) for key in value), "a mapping"),
    "trials": (_whole(1, _MOST_TRIALS), f"a number of trials, from 1 to {_MOST_TRIALS:,}"),
    "sampler": (lambda value: value in SAMPLERS, f"one of {', '.join(SAMPLERS)}"),
    "halving": (
        lambda value: _whole(2, 100)(value) or value == 0,
        "2 or more: one trial in so many goes on; 0 for all",
    ),
    "by": (
        lambda value: value in SCORES,
        f"one of {', '.join(SCORES)}: people who are held out for validation decide, and never those of the test",
    ),
    "seed": (_whole(0), "a whole number, 0 or more"),
    "refit": (lambda value: isinstance(value, bool), "true or false"),
}


def _domain(name: str, value: Any) -> Domain:
    if isinstance(value, list) and value and all(isinstance(one, str | int | float) for one in value):
        return Choices(tuple(value))
    if isinstance(value, dict) and len(value) == 1:
        ((how, ends),) = value.items()
        numbers = isinstance(ends, list) and all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in ends
        )
        if how in ("log", "uniform") and numbers and len(ends) == 2:
            low, high = ends
            if low < high and (how == "uniform" or low > 0):
                return Range(low, high, how == "log")
    raise UsageError(
        f"What to try of {name} is a list of values, or a range.",
        received=f"{name}: {value}",
        advice="Write [0.1, 0.2, 0.3], {uniform: [0, 0.3]}, or {log: [1e-4, 1e-2]}: from the smaller number, above 0 "
        "for log, to the larger.",
    )


def _check(search: Search) -> None:
    if search.sampler == "grid":
        ranges = [name for name, domain in search.search.items() if isinstance(domain, Range)]
        if ranges:
            raise UsageError(
                "A grid is made of lists.",
                received=f"sampler: grid; a range for {', '.join(ranges)}",
                advice="Write out the values to try, as [0.1, 0.2], or take `sampler: random`.",
            )
    elif search.trials is None:
        raise UsageError("How many trials?", advice="Add a line to the search file, for instance `trials: 16`.")
    if search.sampler == "tpe" and search.halving:
        raise UsageError(
            "`tpe` learns from trials that are done, and halving compares trials that began together.",
            received=f"sampler: tpe, halving: {search.halving}",
            advice="Leave out one of the two.",
        )
    both = search.search.keys() & (search.set or {}).keys()
    for name in [*both, *({PHOTOS, UNTIL} & {*search.search, *(search.set or {})})]:
        raise UsageError(
            f"{name} is given in another way.",
            received=f"{name} under search" + (" and under set" if name in both else ""),
            advice="The photos are given with -i." if name == PHOTOS else "Leave it out.",
        )


def fitted(search: Search, pipeline: Pipeline) -> Search:
    """The search with ranges of whole numbers where the pipeline's parameter is one.

    Raises:
        UsageError: the pipeline has no such parameter, or it does not take such a value.
    """
    return replace(search, search={name: _fitted(name, one, pipeline) for name, one in search.search.items()})


def _fitted(name: str, domain: Domain, pipeline: Pipeline) -> Domain:
    if isinstance(domain, Choices):
        for value in domain.values:
            with_setting(pipeline, name, value)
        return domain
    whole = _is_whole(name, pipeline)
    for end in (domain.low, domain.high):
        with_setting(pipeline, name, end)
    return Range(domain.low, domain.high, domain.log, whole)


def _is_whole(name: str, pipeline: Pipeline) -> bool:
    kinds = {key: parameter.kind for key, parameter in pipeline.parameters.items()}
    kinds |= {f"{task.name}.{key}": one.kind for task in pipeline.tasks for key, one in task.parameters.items()}
    return kinds.get(name) == "NUMBER_INTEGER"


def rounds_of_rungs(rounds: int, search: Search) -> Sequence[int]:
    """The round after which a trial of so many rounds ends in each rung; that of the last is its last.

    From the last rung backwards, each is the `halving`-th part of the one after it, rounded, and 1 at least.
    """
    shares = [search.halving ** (search.rungs - 1 - rung) if search.halving else 1 for rung in range(search.rungs)]
    return [max(1, min(rounds, round(rounds / share))) for share in shares]


def ranking(scores: Mapping[int, float | None]) -> list[int]:
    """The numbers of the trials with a score, the best first; of equal ones the smaller number."""
    have = [(-score, number) for number, score in scores.items() if score is not None]
    return [number for _, number in sorted(have)]

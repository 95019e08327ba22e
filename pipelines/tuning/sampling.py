"""Which settings to try: drawn by Optuna's samplers, by the seed and the trials that are done, and by nothing else.

Optuna keeps no state here. Each batch of trials is drawn by a sampler of its own, with a seed of its own, after it was
told of the trials of earlier batches in their order. So a search that was killed draws the same trials again.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.plan.values import Value
from pipelines.tuning.search import Choices, Domain, Search

Settings = Mapping[str, Value]
# Trials that are drawn at once, knowing of none of each other: what is drawn must not depend on how many run at a time.
_BATCH = 4


def batches(search: Search, scores: Sequence[float | None]) -> Iterator[list[dict[str, Value]]]:
    """The trials of a search, in batches.

    Args:
        search: the search, fitted to the pipeline.
        scores: of the trials so far, in their order: whoever takes a batch adds its scores before the next one.
    """
    if search.sampler == "grid":
        yield _grid(search)
        return
    assert search.trials is not None
    size = _BATCH if search.sampler == "tpe" else search.trials
    drawn: list[dict[str, Value]] = []
    while len(drawn) < search.trials:
        new = _draw(search, drawn, scores, min(size, search.trials - len(drawn)))
        drawn += new
        yield new


def _grid(search: Search) -> list[dict[str, Value]]:
    """Every combination, the last setting changing fastest; the first `trials` of them where that is given."""
    values = [domain.values for domain in search.search.values() if isinstance(domain, Choices)]
    points = [dict(zip(search.search, chosen, strict=True)) for chosen in itertools.product(*values)]
    return points[: search.trials]


def _draw(
    search: Search, drawn: Sequence[Settings], scores: Sequence[float | None], count: int
) -> list[dict[str, Value]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    seed = search.seed * 1_000_003 + len(drawn)
    sampler = (
        optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        if search.sampler == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    study = optuna.create_study(sampler=sampler, direction="maximize")
    distributions = {name: _distribution(domain) for name, domain in search.search.items()}
    for settings, score in zip(drawn, scores, strict=True):
        state = optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE
        params = {name: _told(search.search[name], value) for name, value in settings.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=score, state=state))
    asked = [study.ask(distributions).params for _ in range(count)]
    return [{name: _meant(search.search[name], value) for name, value in one.items()} for one in asked]


def _distribution(domain: Domain) -> Any:
    import optuna

    if isinstance(domain, Choices):  # by their places: Optuna takes 1 and true for the same
        return optuna.distributions.CategoricalDistribution(range(len(domain.values)))
    if domain.whole:
        return optuna.distributions.IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return optuna.distributions.FloatDistribution(domain.low, domain.high, log=domain.log)


def _told(domain: Domain, value: Value) -> Any:
    return domain.values.index(value) if isinstance(domain, Choices) else value


def _meant(domain: Domain, value: Any) -> Value:
    """A drawn value as a person would write it: of a range with four digits, which is as good as any other."""
    if isinstance(domain, Choices):
        return domain.values[value]
    return int(value) if domain.whole else min(domain.high, max(domain.low, float(f"{value:.4g}")))

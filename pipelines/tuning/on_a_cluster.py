"""A search as a cluster runs it: what each trial gets in each rung, known before anything runs."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.common.errors import UsageError
from pipelines.plan.changes import with_setting
from pipelines.plan.tasks import Pipeline, PipelineInput, parameter_values
from pipelines.plan.values import Value
from pipelines.tuning.sampling import batches
from pipelines.tuning.search import ROUNDS, TRAINED, Search, rounds_of_rungs

_NOT_TRIED = ("pictures", "training", "trial", "until")


@dataclass(frozen=True)
class Rungs:
    """What each trial is to get as `--trial` of mine-and-train, for each rung; and how many go on after each."""

    trials: list[list[str]]
    keep: list[int]


def rungs(search: Search, pipeline: Pipeline) -> Rungs:
    """The trials of a search.

    Args:
        search: fitted to the pipeline.
        pipeline: with the settings that all trials have.

    Raises:
        UsageError: it tries what is not the training's, or learns from trials that are done.
    """
    if search.sampler == "tpe":
        raise UsageError(
            "A pipeline names its trials before it runs: none can be drawn by what others came to.",
            received="sampler: tpe",
            advice="Take `sampler: random`, with `halving: 4` for what training to the end would waste.",
        )
    flags = _flags(pipeline)
    others = [name for name in search.search if name not in flags]
    if others:
        raise UsageError(
            f"On a cluster a search tries settings of {TRAINED}.",
            received=", ".join(others),
            advice="Leave these to `set`, or to searches of their own.",
        )
    (drawn,) = batches(search, [])
    trials: list[list[str]] = [[] for _ in range(search.rungs)]
    for settings in drawn:
        one = pipeline
        for name, value in settings.items():
            one = with_setting(one, name, value)
        known = {name: parameter.default for name, parameter in one.parameters.items() if parameter.default is not None}
        given = parameter_values(one.task(TRAINED), known, None)
        rounds = int(str(given[ROUNDS]))
        for rung, until in enumerate(rounds_of_rungs(rounds, search)):
            added: dict[str, Value] = {} if until == rounds else {"until": until}
            trials[rung].append(json.dumps({flags[name]: value for name, value in settings.items()} | added))
    keep = [max(1, len(drawn) // search.halving ** (rung + 1)) for rung in range(search.rungs - 1)]
    return Rungs(trials, keep)


def _flags(pipeline: Pipeline) -> dict[str, str]:
    """The flag of the training that a setting sets, by the names that the setting may have."""
    task = pipeline.task(TRAINED)
    flags = {f"{TRAINED}.{name}": name for name in task.parameters if name not in _NOT_TRIED}
    for name, source in task.sources.items():
        if isinstance(source, PipelineInput) and name not in _NOT_TRIED:
            flags[source.name] = name
    return flags

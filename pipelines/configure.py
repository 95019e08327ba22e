"""A compiled pipeline with the values that a recipe and a person give its parameters."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from components.common.errors import UsageError
from components.specification import images
from pipelines.compiled import ir
from pipelines.plan import recipe
from pipelines.plan.changes import setting_from_text, with_setting
from pipelines.plan.tasks import PHOTOS, Pipeline
from pipelines.plan.values import Value

DEFAULT_PIPELINE = images.REPOSITORY / "pipeline.yaml"
# That of crops that others made.
SOURCE_PIPELINE = images.REPOSITORY / "pipeline-source.yaml"
# The task that a pipeline of crops lacks.
_EXTRACT = "extract"


def assignment(text: str, flag: str = "--set") -> tuple[str, str]:
    """The two sides of NAME=VALUE.

    Raises:
        UsageError: there is no equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals:
        example = {"--set": "collect.min_examples=3", "--input": "dataset=PATH"}[flag]
        raise UsageError(f"{flag} takes a name and a value.", received=text, advice=f"Write {flag} {example}.")
    return name, value


def configure(
    file: Path, recipe_name: str | None, photos: str | None, written: Sequence[str]
) -> tuple[Pipeline, str | None, dict[str, Value]]:
    """The pipeline as recipe and flags want it, the recipe's name, and what was set.

    Args:
        file: the compiled pipeline.
        recipe_name: the recipe's name or path; None for none.
        photos: the value of the pipeline's parameter `photos`; None leaves it as it is.
        written: NAME=VALUE as the flags --set have them; they go before the recipe's.

    Where the pipeline takes crops, what the recipe says of cutting them out is left out, and that is printed.

    Raises:
        UsageError: the pipeline or the recipe cannot be read, no such parameter, or not a value of its type.
    """
    pipeline = ir.read(file)
    given: dict[str, Value] = {}
    if recipe_name:
        chosen = recipe.read(recipe_name)
        recipe_name = chosen.name
        unused = _unused(chosen, pipeline)
        if unused:
            print(f"Crops are taken as they are: {', '.join(unused)} of the recipe {recipe_name} say nothing of them.")
        given.update({key: value for key, value in chosen.settings.items() if key not in unused})
    texts = [(PHOTOS, photos)] if photos else []
    for key, text in [*texts, *map(assignment, written)]:
        given[key] = setting_from_text(pipeline, key, text)
    for key, value in given.items():
        pipeline = with_setting(pipeline, key, value)
    return pipeline, recipe_name, given


def _unused(chosen: recipe.Recipe, pipeline: Pipeline) -> list[str]:
    if any(task.name == _EXTRACT for task in pipeline.tasks):
        return []
    return [key for key in chosen.settings if key.startswith(f"{_EXTRACT}.")]


def hint_at_setting(flag: str, value: str) -> str:
    """For `parsing.parse`: how a stage's setting is given to the pipeline, when a flag is one; "" when it is none."""
    name, _, given = {"-p": "--pretrained"}.get(flag, flag).lstrip("-").partition("=")
    pipeline = ir.read(DEFAULT_PIPELINE)
    # What the pipeline gives its tasks itself is set there, for all of them.
    tasks = [f"{task.name}.{name}" for task in pipeline.tasks if name in task.parameters]
    meant = [name] if name in pipeline.parameters else tasks
    value = given or ("VALUE" if not value or value.startswith("-") else value)
    listed = " or ".join(f"--set {shlex.quote(f'{one}={value}')}" for one in meant)
    return f"A setting of a stage is given as {listed}." if meant else ""

"""The Kubeflow specification of a stage, made from its settings: parameters and defaults are written once."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from kfp import dsl

from components.common.flags import Field, fields_of
from components.specification.images import command, reference

_TYPES = (bool, int, float, str)
# Answered by the launcher, which fills in the placeholder; see `components.common.executor`.
_EXECUTOR_INPUT = "executor_input"


def component(
    name: str,
    settings: type,
    *,
    reads: Mapping[str, tuple[Any, str]],
    writes: Mapping[str, tuple[Any, str]],
    by_hand: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> Any:
    """A container component whose parameters are the flags of a stage.

    Args:
        name: of the stage, one of `STAGES`; the first paragraph of the settings' docstring describes it.
        settings: what the stage's flags are parsed to.
        reads: the input artifacts: their types, and the flags that say where they lie; "" for one that the stage finds
            through `--executor_input`, as all lists are.
        writes: likewise the output artifacts.
        by_hand: flags that only a person gives. So are all that are paths and name no artifact.
        renamed: parameters whose flag is called otherwise, because an artifact has that name.

    Returns:
        What kfp's `dsl.container_component` makes.
    """
    flags = {flag: artifact for artifact, (_, flag) in [*reads.items(), *writes.items()] if flag}
    called = {flag: parameter for parameter, flag in (renamed or {}).items()}
    parameters = {
        called.get(one.key, one.key): one
        for one in fields_of(settings)
        if one.key not in {*flags, *by_hand, _EXECUTOR_INPUT} and one.one is not Path
    }

    def task(*placeholders: Any) -> dsl.ContainerSpec:
        given = dict(zip([*reads, *writes, *parameters], placeholders, strict=True))
        arguments = [word for flag, artifact in flags.items() for word in (f"--{flag}", given[artifact].path)]
        arguments += [word for key, one in parameters.items() for word in (f"--{one.key}", given[key])]
        arguments += [f"--{_EXECUTOR_INPUT}", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
        return dsl.ContainerSpec(image=reference(name), command=command(name), args=arguments)

    task.__name__ = name.replace("-", "_")
    task.__doc__ = " ".join((inspect.getdoc(settings) or "").partition("\n\n")[0].split())
    # kfp reads the interface from the signature.
    task.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(_parameter(artifact, dsl.Input[type_]) for artifact, (type_, _) in reads.items()),
            *(_parameter(artifact, dsl.Output[type_]) for artifact, (type_, _) in writes.items()),
            *(_parameter(key, _type(one), one.default) for key, one in parameters.items()),
        ]
    )
    return dsl.container_component(task)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _type(one: Field) -> type:
    """The type of a parameter: text for a choice of texts."""
    type_: type = str if get_origin(one.one) is Literal else one.one
    assert type_ in _TYPES, f"--{one.key} has no type that Kubeflow passes"
    return type_

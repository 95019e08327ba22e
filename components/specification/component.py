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
# The launcher fills in its placeholder; see `components.common.executor`.
_EXECUTOR_INPUT = "executor_input"


def component(
    name: str,
    settings: type,
    *,
    reads: Mapping[str, tuple[Any, str]],
    writes: Mapping[str, tuple[Any, str]],
    by_hand: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
    task_name: str = "",
) -> Any:
    """A container component whose parameters are the flags of a stage.

    Args:
        name: the stage's name, one of `STAGES`.
        settings: the dataclass of the stage's flags; the first paragraph of its docstring describes the component.
        reads: each input artifact with its type and the flag that says where it lies; "" where the stage finds it
            through `--executor_input`, as it does with all lists.
        writes: each output artifact in the same form.
        by_hand: flags that are no parameters, because only people give them; paths that name no artifact never are.
        renamed: the flag of each parameter that has another name, because an artifact has the flag's name.
        task_name: of its tasks, where it is not the stage's name.

    Returns:
        The component, as kfp's `dsl.container_component` makes it.
    """
    flags = {flag: artifact for artifact, (_, flag) in [*reads.items(), *writes.items()] if flag}
    parameter_of = {flag: parameter for parameter, flag in (renamed or {}).items()}
    parameters = {
        parameter_of.get(field.key, field.key): field
        for field in fields_of(settings)
        if field.key not in {*flags, *by_hand, _EXECUTOR_INPUT} and field.value_type is not Path
    }

    def task(*placeholders: Any) -> dsl.ContainerSpec:
        given = dict(zip([*reads, *writes, *parameters], placeholders, strict=True))
        arguments = [word for flag, artifact in flags.items() for word in (f"--{flag}", given[artifact].path)]
        arguments += [word for key, field in parameters.items() for word in (f"--{field.key}", given[key])]
        arguments += [f"--{_EXECUTOR_INPUT}", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
        return dsl.ContainerSpec(image=reference(name), command=command(name), args=arguments)

    task.__name__ = (task_name or name).replace("-", "_")
    task.__doc__ = " ".join((inspect.getdoc(settings) or "").partition("\n\n")[0].split())
    # kfp reads the interface from the signature.
    task.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(_parameter(artifact, dsl.Input[type_]) for artifact, (type_, _) in reads.items()),
            *(_parameter(artifact, dsl.Output[type_]) for artifact, (type_, _) in writes.items()),
            *(
                _parameter(key, _type(field), inspect.Parameter.empty if field.required else field.default)
                for key, field in parameters.items()
            ),
        ]
    )
    return dsl.container_component(task)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _type(field: Field) -> type:
    """The type of a parameter; a choice of texts is text."""
    type_: type = str if get_origin(field.value_type) is Literal else field.value_type
    assert type_ in _TYPES, f"--{field.key} has no type that Kubeflow passes"
    return type_

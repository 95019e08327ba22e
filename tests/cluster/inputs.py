"""What a driver finds out of a task's inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster.metadata import Artifacts
from tests.cluster.text import launcher_text
from tests.cluster.versions import RefusedError

WORKSPACE = "/kfp-workspace"
_TYPES = spec.ParameterType.ParameterTypeEnum
_KINDS = {
    "number_value": ("number", {"NUMBER_DOUBLE", "NUMBER_INTEGER"}),
    "bool_value": ("bool", {"BOOLEAN"}),
    "list_value": ("list", {"LIST"}),
    "struct_value": ("struct", {"STRUCT", "TASK_FINAL_STATUS", "TASK_CONFIG"}),
    "string_value": ("string", set[str]()),
}


@dataclass(frozen=True)
class Values:
    """What goes into a task, or what the tasks of a DAG can refer to."""

    parameters: dict[str, Value]
    artifacts: Artifacts


def parameters(
    task: spec.PipelineTaskSpec, component: spec.ComponentSpec, scope: Values, known: Mapping[str, str]
) -> dict[str, Value]:
    """The parameters that a task gets from outside: those that it passes, and for a DAG its defaults too.

    Source: driver/resolve.go, resolveInputs and resolveInputParameter.

    Args:
        task: the task.
        component: its component.
        scope: what the DAG around it was given.
        known: what the placeholders of a run stand for, when one of them is a whole parameter.

    Raises:
        RefusedError: a value that is not there, or is not of its type.
    """
    definitions = component.input_definitions.parameters
    found: dict[str, Value] = {}
    nothing = set()
    if component.HasField("dag"):
        for name, definition in definitions.items():
            if name not in task.inputs.parameters and definition.is_optional:
                found[name] = definition.default_value if definition.HasField("default_value") else Value(null_value=0)
                if found[name].HasField("null_value"):
                    nothing.add(name)
    for name, source in task.inputs.parameters.items():
        value = _parameter(source, scope, known)
        if not (source.component_input_parameter and value.HasField("null_value")):
            found[name] = value
        elif not (name in definitions and definitions[name].is_optional):
            raise RefusedError(f"the resolved input parameter is null: {source.component_input_parameter}")
    skipped = {task.parameter_iterator.item_input} if task.HasField("parameter_iterator") else set()
    return checked(found, component, skipped | nothing)


def _parameter(source: Any, scope: Values, known: Mapping[str, str]) -> Value:
    match source.WhichOneof("kind"):
        case "component_input_parameter":
            name = source.component_input_parameter
            if name not in scope.parameters:
                raise RefusedError(f"parent DAG does not have input parameter {name}")
            return scope.parameters[name]
        case "runtime_value":
            constant: Value = source.runtime_value.constant
            text = constant.string_value
            if "{{$.workspace_path}}" in text:
                return Value(string_value=text.replace("{{$.workspace_path}}", WORKSPACE))
            return Value(string_value=known[text]) if text in known else constant
        case other:
            raise NotImplementedError(f"no rule for {other} here")


def checked(found: dict[str, Value], component: spec.ComponentSpec, skipped: set[str]) -> dict[str, Value]:
    """Parameters, checked against their definitions; a text parameter that was given something else is its text.

    Source: driver/resolve.go, resolveInputs, handleParamTypeValidationAndConversion.

    Raises:
        RefusedError: one that must be there is not, or one is of another type.
    """
    result = dict(found)
    for name, definition in component.input_definitions.parameters.items():
        if name in skipped:
            continue
        if name not in found:
            if not definition.is_optional:
                raise RefusedError(f'neither value nor default value provided for non-optional parameter "{name}"')
            continue
        kind, wanted = found[name].WhichOneof("kind"), _TYPES.Name(definition.parameter_type)
        if wanted == "STRING":
            result[name] = Value(string_value=launcher_text(found[name]))
        elif kind == "null_value" or kind is None:
            raise RefusedError(f'got null for input parameter "{name}"')
        elif wanted not in _KINDS[kind][1]:
            raise RefusedError(f'input parameter "{name}" type mismatch: expect {wanted}, got {_KINDS[kind][0]}')
    return result


def artifacts(task: spec.PipelineTaskSpec, scope: Values, done: Mapping[str, Artifacts]) -> Artifacts:
    """The artifacts that a task gets: of a loop, those of all its iterations in their order.

    Source: driver/resolve.go, resolveInputArtifact, resolveUpstreamArtifacts and CollectInputs.

    Args:
        task: the task.
        scope: what the DAG around it has left of what it was given.
        done: what the tasks before it made.
    """
    found: Artifacts = {}
    for name, source in task.inputs.artifacts.items():
        if source.WhichOneof("kind") == "component_input_artifact":
            outer = source.component_input_artifact
            if outer not in scope.artifacts:
                raise RefusedError(f"parent DAG does not have input artifact {outer}")
            found[name] = scope.artifacts[outer]
        else:
            origin = source.task_output_artifact
            if origin.producer_task not in done:
                raise RefusedError(f'cannot find producer task "{origin.producer_task}"')
            found[name] = done[origin.producer_task][origin.output_artifact_key]
    return found


def items(task: spec.PipelineTaskSpec, given: dict[str, Value]) -> list[Value]:
    """What a loop goes over: a list, or text that is one in JSON.

    Source: driver/dag.go, DAG; driver/util.go, getItems; driver/resolve.go, resolveUpstreamArtifacts.

    Raises:
        RefusedError: it is no list, or an empty one, whose outputs nobody finds.
    """
    source = task.parameter_iterator.items
    value = Value()
    if source.HasField("raw"):
        json_format.ParseDict(json.loads(source.raw), value)
    else:
        value.CopyFrom(given[source.input_parameter])
    if value.HasField("string_value"):
        json_format.Parse(value.string_value, value)
    if not value.HasField("list_value"):
        name = task.parameter_iterator.item_input
        raise RefusedError(f'iterating on item input "{name}" failed: value of type {value.WhichOneof("kind")}')
    if not value.list_value.values:
        raise RefusedError(f"subTaskName of {task.task_info.name} not in tasks: nothing to iterate over")
    return list(value.list_value.values)

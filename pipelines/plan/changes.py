"""The same pipeline with other values of parameters, or another input of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from components.common.errors import UsageError
from components.common.names import plain
from components.common.suggest import suggestion
from pipelines.plan.shards import SHARDS, write_out
from pipelines.plan.tasks import (
    PHOTOS,
    Constant,
    Importer,
    LoopItem,
    Parameter,
    Pipeline,
    Task,
    TaskOutput,
    check_choice,
)
from pipelines.plan.values import Value, as_text, from_text, to_kind


def _settable(pipeline: Pipeline, name: str) -> Parameter:
    known = dict(pipeline.parameters)
    for task in pipeline.tasks:
        known.update({f"{task.name}.{key}": parameter for key, parameter in task.parameters.items()})
    if name not in known:
        raise UsageError("The pipeline has no such parameter.", received=name, advice=suggestion(name, known))
    return known[name]


def setting_from_text(pipeline: Pipeline, name: str, text: str) -> Value:
    """The value that a person wrote for a parameter, in that parameter's type.

    Raises:
        UsageError: no such parameter, or not a value of its type.
    """
    kind = _settable(pipeline, name).kind
    return from_text(write_out(text) if name == SHARDS and kind == "LIST" else text, kind, name)


def with_setting(pipeline: Pipeline, name: str, value: Value) -> Pipeline:
    """The same pipeline with another value of a parameter.

    Args:
        pipeline: the pipeline.
        name: `parameter` of the pipeline, or `task.parameter`.
        value: of the parameter's type.

    Raises:
        UsageError: no such parameter, or not a value of its type.
    """
    parameter = _settable(pipeline, name)
    value = check_choice(to_kind(value, parameter.kind, name), parameter, name)
    if name in pipeline.parameters:
        changed = replace(parameter, default=value)
        return replace(pipeline, parameters={**pipeline.parameters, name: changed})
    task_name, _, key = name.rpartition(".")
    if isinstance(pipeline.task(task_name).sources.get(key), LoopItem):
        raise UsageError(
            f"{name} is set by the loop that {task_name} is in.",
            received=f"{name}={value}",
            advice="Change the list that the loop goes over.",
        )
    tasks = tuple(
        replace(task, sources={**task.sources, key: Constant(value)}) if task.name == task_name else task
        for task in pipeline.tasks
    )
    return replace(pipeline, tasks=tasks)


def input_name(task: str, name: str) -> str:
    """The name of the task that imports an input of another."""
    return f"{task}-{name}"


def with_input(pipeline: Pipeline, task: str, name: str, path: str) -> Pipeline:
    """The same pipeline with another artifact as an input of a task: imported, whatever made it.

    Args:
        pipeline: the pipeline.
        task: the task that reads it.
        name: the input's name.
        path: of a file or folder on this machine.

    Raises:
        UsageError: no such task, or it has no such input.
    """
    reader = pipeline.task(task)
    if name not in reader.artifacts:
        raise UsageError(f"{task} has no such input.", received=name, advice=suggestion(name, reader.artifacts))
    former, *_ = reader.artifacts[name]
    kind = pipeline.task(former.task).outputs[former.name]
    source = Task(
        name=input_name(task, name),
        label=input_name(task, name),
        executor=Importer("uri"),
        parameters={"uri": Parameter("STRING")},
        sources={"uri": Constant(path)},
        artifacts={},
        outputs={"artifact": kind},
        output_parameters={},
        after=frozenset(),
        cacheable=False,
        template=input_name(task, name),
    )
    artifacts = {**reader.artifacts, name: (TaskOutput(source.name, "artifact"),)}
    still = {one.task for origins in artifacts.values() for one in origins}
    still |= {one.task for one in reader.sources.values() if isinstance(one, TaskOutput)}
    changed = replace(reader, artifacts=artifacts, after=(reader.after - {former.task}) | still)
    tasks = [changed if one is reader else one for one in pipeline.tasks]
    tasks.insert(tasks.index(changed), source)
    return replace(pipeline, tasks=tuple(tasks))


def in_words(given: Mapping[str, Value]) -> str:
    """What was set besides the photos, on one line; empty for nothing."""
    return ", ".join(plain(f"{name}={as_text(value)}") for name, value in given.items() if name != PHOTOS)

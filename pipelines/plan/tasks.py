"""What is to be run: tasks, the values of their parameters, and which part of the pipeline is meant.

Independent of where the tasks come from (`ir`) and of how they are executed (`processes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from components.common.errors import UsageError
from components.common.suggest import suggestion
from pipelines.plan.values import ANY, Value, to_kind

# In the value of a parameter: a folder that a task finds again in its next attempt. Kubeflow's is a volume of the run;
# here it is the task's own folder, and what a stopped attempt left there is moved to the next one.
WORKSPACE = "{{$.workspace_path}}"
# The parameter that `facenet run -i` gives, and whoever compares settings leaves out.
PHOTOS = "photos"


@dataclass(frozen=True)
class Parameter:
    """An input of the pipeline or of a component.

    Args:
        kind: its type, a key of `values.KINDS`.
        default: its value when nothing else is given; None for none.
        optional: whether it may stay without a value.
        choices: the only values allowed; empty for any.
    """

    kind: str
    default: Value | None = None
    optional: bool = False
    choices: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Constant:
    """A value that stands in the pipeline."""

    value: Value


@dataclass(frozen=True)
class PipelineInput:
    """The value of a parameter of the pipeline."""

    name: str


@dataclass(frozen=True)
class TaskOutput:
    """An artifact or a parameter that another task hands on."""

    task: str
    name: str


@dataclass(frozen=True)
class LoopItem:
    """What the loop that a task is in is at."""


@dataclass(frozen=True)
class Loop:
    """Does its tasks once for each item of a list.

    Args:
        name: unique in the pipeline.
        items: the list.
    """

    name: str
    items: Constant | PipelineInput


Source = Constant | PipelineInput | TaskOutput | LoopItem


@dataclass(frozen=True)
class Container:
    """A command with placeholders, and what it runs in.

    Args:
        command: words, placeholders in them.
        env: what is added to the environment.
        image: its image; "" when it is run without one.
        cpus: how many processors it may use; None for all.
        memory: how many bytes; None for all.
        shared_memory: bytes of /dev/shm; 0 for the usual ones.
        gpus: how many graphics processors it needs.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    image: str = ""
    cpus: float | None = None
    memory: int | None = None
    shared_memory: int = 0
    gpus: int = 0


@dataclass(frozen=True)
class Importer:
    """Makes an artifact of what lies at a URI, which is the value of the parameter named here."""

    parameter: str


@dataclass(frozen=True)
class Task:
    """One component in a run.

    Args:
        name: unique in the pipeline; its folder in the run.
        label: the name for people.
        executor: what it does.
        parameters: its component's input parameters.
        sources: where their values come from; those without a source have their default.
        artifacts: where its input artifacts come from: one, or one of each task of a loop.
        outputs: its output artifacts and their types, as `system.Model`.
        output_parameters: its output parameters.
        after: the tasks that must be done before it.
        cacheable: whether its result may be answered from the cache.
        template: its name in the pipeline's file; the tasks that a loop makes of one have it in common.
        loop: the loop that it is in, until `loops.expand` makes a task for each item.
    """

    name: str
    label: str
    executor: Container | Importer
    parameters: Mapping[str, Parameter]
    sources: Mapping[str, Source]
    artifacts: Mapping[str, tuple[TaskOutput, ...]]
    outputs: Mapping[str, str]
    output_parameters: Mapping[str, Parameter]
    after: frozenset[str]
    cacheable: bool
    template: str
    loop: Loop | None = None


@dataclass(frozen=True)
class Pipeline:
    """Tasks in an order in which they can run.

    Args:
        name: as the pipeline calls itself.
        parameters: its inputs; defaults are the values that hold.
        tasks: every task after the ones it depends on.
    """

    name: str
    parameters: Mapping[str, Parameter]
    tasks: tuple[Task, ...]

    def tasks_of(self, name: str) -> tuple[Task, ...]:
        """The task of this name, or all tasks that a loop made of the one of this name.

        Raises:
            UsageError: there is none.
        """
        for wanted in ("name", "template"):
            tasks = tuple(task for task in self.tasks if getattr(task, wanted) == name)
            if tasks:
                return tasks
        names = dict.fromkeys(name for task in self.tasks for name in (task.template, task.name))
        raise UsageError("The pipeline has no such task.", received=name, advice=suggestion(name, names))

    def task(self, name: str) -> Task:
        """The task of this name; the first of those that a loop made of it.

        Raises:
            UsageError: there is none.
        """
        return self.tasks_of(name)[0]

    def values(self) -> dict[str, Value]:
        """The values of the pipeline's parameters.

        Raises:
            UsageError: one has none.
        """
        for name, parameter in self.parameters.items():
            if parameter.default is None and not parameter.optional:
                flag = "-i PHOTOS" if name == PHOTOS else f"--set {name}=VALUE"
                raise UsageError(f"The pipeline needs a value for {name}.", advice=f"Give it with {flag}.")
        return {name: parameter.default for name, parameter in self.parameters.items() if parameter.default is not None}


def check_choice(value: Value, parameter: Parameter, name: str) -> Value:
    """A value, when it is one of the parameter's choices.

    Raises:
        UsageError: it is not.
    """
    if parameter.choices and value not in parameter.choices:
        known = ", ".join(str(choice) for choice in parameter.choices)
        raise UsageError(f"{name} has no such value.", received=f"{name}={value}", advice=f"Known: {known}.")
    return value


def parameter_values(
    task: Task, pipeline_values: Mapping[str, Value], outputs: Mapping[str, Mapping[str, Value]] | None
) -> dict[str, Value]:
    """The values of a task's parameters; an optional one without a value is absent.

    Args:
        task: the task.
        pipeline_values: the values of the pipeline's parameters.
        outputs: the output parameters of the tasks done so far, by task and name; None before any has run: then
            any value of the right type stands for them.

    Raises:
        UsageError: a parameter has no value, or one of another type.
    """
    values: dict[str, Value] = {}
    for key, parameter in task.parameters.items():
        name, source = f"{task.name}.{key}", task.sources.get(key)
        value = parameter.default
        if isinstance(source, Constant):
            value = source.value
        elif isinstance(source, PipelineInput):
            value = pipeline_values.get(source.name, value)
        elif isinstance(source, TaskOutput):
            if outputs is None:
                values[key] = ANY[parameter.kind]
                continue
            value = outputs[source.task].get(source.name, value)
        if value is not None:
            values[key] = check_choice(to_kind(value, parameter.kind, name), parameter, name)
        elif not parameter.optional:
            raise UsageError(f"{name} has no value.", advice=f"Give it with --set {name}=VALUE.")
    return values


def ancestors(pipeline: Pipeline, name: str) -> frozenset[str]:
    """The tasks that must be done before the task or tasks of a name, directly or not."""
    before: set[str] = {earlier for task in pipeline.tasks_of(name) for earlier in task.after}
    for task in reversed(pipeline.tasks):
        if task.name in before:
            before |= task.after
    return frozenset(before)


def descendants(pipeline: Pipeline, name: str) -> frozenset[str]:
    """The tasks that need the task or tasks of a name to be done first, directly or not."""
    first = {task.name for task in pipeline.tasks_of(name)}
    return frozenset(task.name for task in pipeline.tasks if first & ancestors(pipeline, task.name))


def up_to(pipeline: Pipeline, name: str) -> Pipeline:
    """The part of a pipeline that the task or tasks of a name need, they included."""
    wanted = ancestors(pipeline, name) | {task.name for task in pipeline.tasks_of(name)}
    return replace(pipeline, tasks=tuple(task for task in pipeline.tasks if task.name in wanted))

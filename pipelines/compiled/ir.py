"""Reads a compiled pipeline (Kubeflow's intermediate representation) and refuses what a local run does not do.

Loops and pipelines inside the pipeline become part of the one list of tasks; see `loops` for how often a task runs.
The format: kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, schema version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import MALFORMED, UsageError
from components.common.records import read_json
from pipelines.compiled import platform
from pipelines.compiled.document import (
    artifact_types,
    container,
    documents,
    fields,
    importer,
    named,
    parameters,
    refusal,
)
from pipelines.plan.tasks import (
    WORKSPACE,
    Constant,
    Container,
    Importer,
    Loop,
    LoopItem,
    Parameter,
    Pipeline,
    PipelineInput,
    Source,
    Task,
    TaskOutput,
)

SCHEMA_VERSION = "2.1.0"


@dataclass(frozen=True)
class _Level:
    """The tasks of the pipeline, of a loop or of a pipeline inside, and what their surroundings give them.

    Args:
        where: its place in the document.
        tasks: its tasks as they are written.
        parameters: what its input parameters stand for.
        artifacts: what its input artifacts stand for; None for the pipeline itself, which has none.
        after: the tasks that must be done before all of it.
        loop: the loop that it is in.
    """

    where: str
    tasks: Mapping[str, Any]
    parameters: Mapping[str, Source]
    artifacts: Mapping[str, tuple[TaskOutput, ...]] | None = None
    after: frozenset[str] = frozenset()
    loop: Loop | None = None


class _Reader:
    """Reads the tasks of one document.

    Args:
        document: the pipeline.
        shared_memory: bytes by executor.
    """

    def __init__(self, document: Mapping[str, Any], shared_memory: Mapping[str, int]) -> None:
        self._shared_memory = shared_memory
        self._components = document["components"]
        self._executors = document["deploymentSpec"]["executors"]

    def tasks(self, level: _Level) -> Iterator[Task]:
        """Every task of a level, those of the levels inside it included."""
        for name, node in level.tasks.items():
            if "dag" in self._component(node):
                yield from self.tasks(self._inside(name, node, level))
            else:
                yield self._task(name, node, level)

    def _component(self, node: Any) -> dict[str, Any]:
        component: dict[str, Any] = self._components[node["componentRef"]["name"]]
        return component

    def _inside(self, name: str, node: Any, level: _Level) -> _Level:
        where = f"{level.where}.{name}"
        known = ("taskInfo", "componentRef", "inputs", "dependentTasks", "cachingOptions", "parameterIterator")
        spec = fields(node, where, *known)
        place = f"components.{spec['componentRef']['name']}"
        component = fields(self._component(node), place, "dag", "inputDefinitions", "outputDefinitions")
        defaults = _inputs_defined(component, place)
        given: dict[str, Source] = {
            key: Constant(one.default) for key, one in defaults.items() if one.default is not None
        }
        sources, artifacts = self._inputs(spec, where, level)
        given |= sources
        loop = level.loop
        if "parameterIterator" in spec:
            loop = self._loop(spec["parameterIterator"], f"{where}.parameterIterator", given, level)
            given[spec["parameterIterator"]["itemInput"]] = LoopItem()
        inside = fields(component["dag"], f"{place}.dag", "tasks", "outputs")
        return _Level(
            where=where,
            tasks=named(inside["tasks"], f"{place}.dag.tasks"),
            parameters=given,
            artifacts=artifacts,
            after=self._after(spec, level, sources, artifacts),
            loop=loop,
        )

    def _loop(self, node: Any, where: str, given: Mapping[str, Source], level: _Level) -> Loop:
        spec = fields(node, where, "items", "itemInput")
        items = fields(spec["items"], f"{where}.items", "inputParameter", "raw")
        source = given[items["inputParameter"]] if "inputParameter" in items else Constant(read_json(items["raw"]))
        if level.loop is not None:
            raise refusal(where, "a loop in a loop")
        if not isinstance(source, Constant | PipelineInput):
            raise refusal(where, "a loop over what a task hands on")
        return Loop(where, source)

    def _task(self, name: str, node: Any, level: _Level) -> Task:
        where = f"{level.where}.{name}"
        # A local run makes no second attempt: what fails here would fail again.
        known = ("taskInfo", "componentRef", "inputs", "dependentTasks", "cachingOptions", "retryPolicy")
        spec = fields(node, where, *known)
        place = f"components.{spec['componentRef']['name']}"
        component = fields(self._component(node), place, "executorLabel", "inputDefinitions", "outputDefinitions")
        defined = _inputs_defined(component, place)
        made = fields(component.get("outputDefinitions"), f"{place}.outputDefinitions", "parameters", "artifacts")
        sources, artifacts = self._inputs(spec, where, level)
        after = self._after(spec, level, sources, artifacts)
        caching = fields(spec.get("cachingOptions"), f"{where}.cachingOptions", "enableCache")
        return Task(
            name=name,
            label=str((spec.get("taskInfo") or {}).get("name") or name),
            executor=self._executor(component["executorLabel"], sources, defined),
            parameters=defined,
            sources=sources,
            artifacts=artifacts,
            outputs=artifact_types(made.get("artifacts"), f"{place}.outputDefinitions.artifacts"),
            output_parameters=parameters(made.get("parameters"), f"{place}.outputDefinitions.parameters"),
            after=after,
            cacheable=bool(caching.get("enableCache")),
            template=name,
            loop=level.loop,
        )

    def _executor(self, label: str, sources: dict[str, Source], defined: dict[str, Any]) -> Container | Importer:
        where = f"deploymentSpec.executors.{label}"
        spec = fields(self._executors[label], where, "container", "importer")
        if "container" in spec:
            return container(spec["container"], f"{where}.container", self._shared_memory.get(label, 0))
        return importer(spec["importer"], f"{where}.importer", sources, defined)

    def _inputs(
        self, spec: Mapping[str, Any], where: str, level: _Level
    ) -> tuple[dict[str, Source], dict[str, tuple[TaskOutput, ...]]]:
        """What the inputs of a task stand for: its parameters, and its artifacts."""
        inputs = fields(spec.get("inputs"), f"{where}.inputs", "parameters", "artifacts")
        place = f"{where}.inputs.parameters"
        sources = {
            key: self._source(value, f"{place}.{key}", level)
            for key, value in named(inputs.get("parameters"), place).items()
        }
        artifacts = {}
        place = f"{where}.inputs.artifacts"
        outer = () if level.artifacts is None else ("componentInputArtifact",)
        for key, value in named(inputs.get("artifacts"), place).items():
            origin = fields(value, f"{place}.{key}", "taskOutputArtifact", *outer)
            if level.artifacts is not None and "componentInputArtifact" in origin:
                artifacts[key] = level.artifacts[origin["componentInputArtifact"]]
            else:
                output = origin["taskOutputArtifact"]
                artifacts[key] = (self._origin(output["producerTask"], output["outputArtifactKey"], level.tasks),)
        return sources, artifacts

    def _source(self, node: Any, where: str, level: _Level) -> Source:
        spec = fields(node, where, "runtimeValue", "componentInputParameter", "taskOutputParameter")
        if "componentInputParameter" in spec:
            return level.parameters[spec["componentInputParameter"]]
        if "taskOutputParameter" in spec:
            place = f"{where}.taskOutputParameter"
            output = fields(spec["taskOutputParameter"], place, "producerTask", "outputParameterKey")
            if "dag" in self._component(level.tasks[output["producerTask"]]):
                raise refusal(place, "a value that a loop or a pipeline inside the pipeline hands on")
            return TaskOutput(output["producerTask"], output["outputParameterKey"])
        value = fields(spec.get("runtimeValue"), f"{where}.runtimeValue", "constant")["constant"]
        if isinstance(value, str) and "{{$" in value.replace(WORKSPACE, ""):
            raise refusal(where, "a placeholder in the value of a parameter")
        return Constant(value)

    def _origin(self, name: str, key: str, tasks: Mapping[str, Any]) -> TaskOutput:
        """The task that makes an artifact, for a loop or a pipeline inside the one in there."""
        component = self._component(tasks[name])
        if "dag" not in component:
            return TaskOutput(name, key)
        place = f"components.{tasks[name]['componentRef']['name']}.dag.outputs"
        made = fields(component["dag"].get("outputs"), place, "artifacts")["artifacts"][key]
        (selector,) = fields(made, f"{place}.artifacts.{key}", "artifactSelectors")["artifactSelectors"]
        return self._origin(selector["producerSubtask"], selector["outputArtifactKey"], component["dag"]["tasks"])

    def _after(
        self,
        spec: Mapping[str, Any],
        level: _Level,
        sources: Mapping[str, Source],
        artifacts: Mapping[str, tuple[TaskOutput, ...]],
    ) -> frozenset[str]:
        """The tasks that must be done before a task: those it is told to wait for, and those it reads from."""
        producers = {origin.task for origins in artifacts.values() for origin in origins}
        producers |= {source.task for source in sources.values() if isinstance(source, TaskOutput)}
        waits = (one for name in spec.get("dependentTasks") or () for one in self._leaves(name, level.tasks))
        return level.after | producers | frozenset(waits)

    def _leaves(self, name: str, tasks: Mapping[str, Any]) -> Iterator[str]:
        """The task of a name, or the last ones inside it: those that no other one there waits for."""
        component = self._component(tasks[name])
        if "dag" not in component:
            yield name
        else:
            inside = component["dag"]["tasks"]
            waited_for = {one for task in inside.values() for one in task.get("dependentTasks") or ()}
            for last in inside.keys() - waited_for:
                yield from self._leaves(last, inside)


def _inputs_defined(component: Mapping[str, Any], place: str) -> dict[str, Parameter]:
    """The input parameters of a component; its input artifacts are looked at, and tell nothing that a run needs."""
    place = f"{place}.inputDefinitions"
    defined = fields(component.get("inputDefinitions"), place, "parameters", "artifacts")
    artifact_types(defined.get("artifacts"), f"{place}.artifacts")
    return parameters(defined.get("parameters"), f"{place}.parameters")


def _pipeline(document: Any, shared_memory: Mapping[str, int]) -> Pipeline:
    top = ("pipelineInfo", "components", "deploymentSpec", "root", "schemaVersion", "sdkVersion")
    document = fields(document, "the pipeline", *top)
    if document["schemaVersion"] != SCHEMA_VERSION:
        raise refusal("schemaVersion", f"schema version {document['schemaVersion']}")
    fields(document["deploymentSpec"], "deploymentSpec", "executors")
    root = fields(document["root"], "root", "dag", "inputDefinitions")
    inputs = fields(root.get("inputDefinitions"), "root.inputDefinitions", "parameters")
    defined = parameters(inputs.get("parameters"), "root.inputDefinitions.parameters")
    nodes = named(fields(root["dag"], "root.dag", "tasks")["tasks"], "root.dag.tasks")
    level = _Level("root.dag.tasks", nodes, {name: PipelineInput(name) for name in defined})
    read: dict[str, Task] = {}
    for task in _Reader(document, shared_memory).tasks(level):
        if task.name in read:
            raise refusal("root.dag.tasks", f"two tasks of the name {task.name}")
        read[task.name] = task
    order = TopologicalSorter({name: sorted(task.after) for name, task in read.items()}).static_order()
    return Pipeline(str(document["pipelineInfo"]["name"]), defined, tuple(read[name] for name in order))


def read(file: Path) -> Pipeline:
    """Reads a compiled pipeline.

    Raises:
        UsageError: no such file, not a compiled pipeline, or one that asks what a local run does not do.
    """
    advice = "`facenet compile` writes one; the default is pipeline.yaml at the root of the repository."
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "The compiled pipeline cannot be read.", received=f"{file} ({error})", advice=advice
        ) from error
    try:
        found = documents(text)
        return _pipeline(found[0], platform.shared_memory(found))
    except (yaml.YAMLError, CycleError, *MALFORMED) as error:
        raise UsageError(
            "This is not a compiled pipeline.",
            received=f"{file} ({type(error).__name__}: {error})",
            advice=advice,
        ) from error

"""Reads a compiled pipeline (Kubeflow's intermediate representation) and refuses what a local run does not do.

Every field that is met must be known here: what the pipeline asks is done, or refused by name, never skipped.
The format: kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, schema version 2.1.0.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import UsageError
from pipelines.local.plan import (
    Constant,
    Container,
    Importer,
    Parameter,
    Pipeline,
    PipelineInput,
    Task,
    TaskOutput,
)
from pipelines.local.values import KINDS, typed

SCHEMA_VERSION = "2.1.0"

# Fields of the format that a local run does not honour, in words.
_NOT_DONE = {
    "artifactIterator": "a loop over artifacts (ParallelFor)",
    "parameterIterator": "a loop (ParallelFor)",
    "iteratorPolicy": "a limit on the tasks of a loop that run at once",
    "triggerPolicy": "a condition or an exit handler",
    "cacheKey": "a cache key of its own",
    "dag": "a pipeline inside the pipeline, or an exit handler",
    "componentInputArtifact": "an artifact as an input of the pipeline",
    "isArtifactList": "a list of artifacts",
    "taskFinalStatus": "the final status of another task as an input",
    "parameterExpressionSelector": "a part of a parameter as an input",
    "resolver": "a resolver",
    "customJob": "a Vertex AI job",
    "lifecycle": "a container lifecycle hook",
    "singlePlatformSpecs": "settings for one platform",
    "defaultPipelineRoot": "a pipeline root",
    "outputDefinitions": "outputs of the pipeline",
}
# A request is for a scheduler; here the whole machine is the task's. kfp writes each of these twice.
_RESOURCES = (
    "cpuLimit", "memoryLimit", "cpuRequest", "memoryRequest",
    "resourceCpuLimit", "resourceMemoryLimit", "resourceCpuRequest", "resourceMemoryRequest",
)  # fmt: skip
# Task and artifact names become folders and files of the run.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _refusal(where: str, what: str) -> UsageError:
    return UsageError(
        "The pipeline asks for something that a local run does not do.",
        received=f"{what}: {where}",
        advice="Take it out of the pipeline, or submit the pipeline to a cluster.",
    )


def _fields(node: Any, where: str, *known: str) -> dict[str, Any]:
    """The mapping at a place of the document, checked to hold known fields only."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise UsageError("This is not a compiled pipeline.", received=f"{where} is not a mapping")
    for name in node:
        if name not in known:
            raise _refusal(f"{where}.{name}", _NOT_DONE.get(name, "a field that it does not know"))
    return node


def _named(node: Any, where: str) -> dict[str, Any]:
    """The mapping at a place of the document whose keys are names of its own."""
    if node is not None and not isinstance(node, dict):
        raise UsageError("This is not a compiled pipeline.", received=f"{where} is not a mapping")
    for name in node or {}:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError("A name in the pipeline cannot be the name of a file.", received=f"{where}: {name!r}")
    return node or {}


def _parameters(node: Any, where: str) -> dict[str, Parameter]:
    found = {}
    for name, definition in _named(node, where).items():
        place = f"{where}.{name}"
        spec = _fields(definition, place, "parameterType", "defaultValue", "isOptional", "description", "literals")
        kind = spec.get("parameterType")
        if kind not in KINDS:
            raise _refusal(f"{place}.parameterType", f"a parameter of type {kind}")
        default = spec.get("defaultValue")
        found[name] = Parameter(
            kind,
            None if default is None else typed(default, kind, place),
            bool(spec.get("isOptional")),
            tuple(typed(choice, kind, place) for choice in spec.get("literals") or ()),
        )
    return found


def _artifact_types(node: Any, where: str) -> dict[str, str]:
    found = {}
    for name, definition in _named(node, where).items():
        spec = _fields(definition, f"{where}.{name}", "artifactType", "isOptional", "description")
        kind = _fields(spec.get("artifactType"), f"{where}.{name}.artifactType", "schemaTitle", "schemaVersion")
        found[name] = str(kind.get("schemaTitle", "system.Artifact"))
    return found


def _source(node: Any, where: str) -> Constant | PipelineInput | TaskOutput:
    spec = _fields(node, where, "runtimeValue", "componentInputParameter", "taskOutputParameter")
    if "componentInputParameter" in spec:
        return PipelineInput(spec["componentInputParameter"])
    if "taskOutputParameter" in spec:
        place = f"{where}.taskOutputParameter"
        output = _fields(spec["taskOutputParameter"], place, "producerTask", "outputParameterKey")
        return TaskOutput(output["producerTask"], output["outputParameterKey"])
    value = _fields(spec.get("runtimeValue"), f"{where}.runtimeValue", "constant")["constant"]
    if isinstance(value, str) and "{{$" in value:
        raise _refusal(where, "a placeholder in the value of a parameter")
    return Constant(value)


def _container(spec: Any, where: str) -> Container:
    spec = _fields(spec, where, "image", "command", "args", "env", "resources")
    command = [str(word) for word in [*(spec.get("command") or ()), *(spec.get("args") or ())]]
    if not spec.get("command"):
        raise _refusal(where, "a container without a command (its image's entry point)")
    for word in command:
        if word.startswith(('{"IfPresent"', '{"Concat"')):
            raise _refusal(where, "an argument made of parts (IfPresent, Concat)")
    pairs = [_fields(pair, f"{where}.env", "name", "value") for pair in spec.get("env") or ()]
    env = {str(pair["name"]): str(pair.get("value", "")) for pair in pairs}
    resources = _fields(spec.get("resources"), f"{where}.resources", *_RESOURCES)
    memory = resources.get("memoryLimit")
    return Container(
        command=tuple(command),
        env=env,
        image=str(spec.get("image") or ""),
        cpus=float(resources["cpuLimit"]) if "cpuLimit" in resources else None,
        memory=None if memory is None else round(float(memory) * 1e9),  # in gigabytes
    )


def _importer(spec: Any, where: str, sources: dict[str, Any], parameters: dict[str, Parameter]) -> Importer:
    # An import locally always reads what lies there now, so `reimport` asks for nothing more.
    spec = _fields(spec, where, "artifactUri", "typeSchema", "reimport")
    uri = _fields(spec.get("artifactUri"), f"{where}.artifactUri", "constant", "runtimeParameter")
    if "runtimeParameter" in uri:
        return Importer(uri["runtimeParameter"])
    parameters["uri"] = Parameter("STRING")
    sources["uri"] = Constant(uri["constant"])
    return Importer("uri")


def _task(name: str, node: Any, document: dict[str, Any]) -> Task:
    where = f"root.dag.tasks.{name}"
    # Retries are for pods that a cluster loses: what fails here would fail again.
    known = ("taskInfo", "componentRef", "inputs", "dependentTasks", "cachingOptions", "retryPolicy")
    spec = _fields(node, where, *known)
    component = document["components"][spec["componentRef"]["name"]]
    place = f"components.{spec['componentRef']['name']}"
    component = _fields(component, place, "executorLabel", "inputDefinitions", "outputDefinitions")
    wanted = _fields(component.get("inputDefinitions"), f"{place}.inputDefinitions", "parameters", "artifacts")
    made = _fields(component.get("outputDefinitions"), f"{place}.outputDefinitions", "parameters", "artifacts")
    parameters = _parameters(wanted.get("parameters"), f"{place}.inputDefinitions.parameters")
    _artifact_types(wanted.get("artifacts"), f"{place}.inputDefinitions.artifacts")

    inputs = _fields(spec.get("inputs"), f"{where}.inputs", "parameters", "artifacts")
    sources = {
        key: _source(value, f"{where}.inputs.parameters.{key}")
        for key, value in _named(inputs.get("parameters"), f"{where}.inputs.parameters").items()
    }
    artifacts = {}
    for key, value in _named(inputs.get("artifacts"), f"{where}.inputs.artifacts").items():
        origin = _fields(value, f"{where}.inputs.artifacts.{key}", "taskOutputArtifact")["taskOutputArtifact"]
        artifacts[key] = TaskOutput(origin["producerTask"], origin["outputArtifactKey"])

    place_of_executor = f"deploymentSpec.executors.{component['executorLabel']}"
    executor = document["deploymentSpec"]["executors"][component["executorLabel"]]
    executor = _fields(executor, place_of_executor, "container", "importer")
    body: Container | Importer
    if "container" in executor:
        body = _container(executor["container"], f"{place_of_executor}.container")
    else:
        body = _importer(executor["importer"], f"{place_of_executor}.importer", sources, parameters)
    producers = {origin.task for origin in artifacts.values()}
    producers |= {source.task for source in sources.values() if isinstance(source, TaskOutput)}
    caching = _fields(spec.get("cachingOptions"), f"{where}.cachingOptions", "enableCache")
    return Task(
        name=name,
        label=str((spec.get("taskInfo") or {}).get("name") or name),
        executor=body,
        parameters=parameters,
        sources=sources,
        artifacts=artifacts,
        outputs=_artifact_types(made.get("artifacts"), f"{place}.outputDefinitions.artifacts"),
        output_parameters=_parameters(made.get("parameters"), f"{place}.outputDefinitions.parameters"),
        after=frozenset(producers | set(spec.get("dependentTasks") or ())),
        cacheable=bool(caching.get("enableCache")),
    )


def _pipeline(document: Any) -> Pipeline:
    top = ("pipelineInfo", "components", "deploymentSpec", "root", "schemaVersion", "sdkVersion")
    document = _fields(document, "the pipeline", *top)
    if document["schemaVersion"] != SCHEMA_VERSION:
        raise _refusal("schemaVersion", f"schema version {document['schemaVersion']}")
    _fields(document["deploymentSpec"], "deploymentSpec", "executors")
    root = _fields(document["root"], "root", "dag", "inputDefinitions")
    inputs = _fields(root.get("inputDefinitions"), "root.inputDefinitions", "parameters")
    nodes = _named(_fields(root["dag"], "root.dag", "tasks")["tasks"], "root.dag.tasks")
    read = {name: _task(name, node, document) for name, node in nodes.items()}
    order = TopologicalSorter({name: sorted(task.after) for name, task in read.items()}).static_order()
    return Pipeline(
        name=str(document["pipelineInfo"]["name"]),
        parameters=_parameters(inputs.get("parameters"), "root.inputDefinitions.parameters"),
        tasks=tuple(read[name] for name in order),
    )


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
        # The C loader is ten times as fast; PyYAML lacks it where it was built without libyaml.
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        if len(documents) > 1:
            raise _refusal("the second document of the file", "settings for Kubernetes (a platform specification)")
        return _pipeline(documents[0])
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, CycleError) as error:
        raise UsageError(
            "This is not a compiled pipeline.",
            received=f"{file} ({type(error).__name__}: {error})",
            advice=advice,
        ) from error

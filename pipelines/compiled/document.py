"""The parts of a compiled pipeline that stand alone: fields that are known, parameters, artifacts, executors.

Every field that is met must be known here: what the pipeline asks is done, or refused by name, never skipped.
The format: kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from components.common.errors import UsageError
from pipelines.plan.tasks import Constant, Container, Importer, Parameter, Source
from pipelines.plan.values import KINDS, to_kind

# Fields of the format that a local run does not honour, in words.
_NOT_DONE = {
    "artifactIterator": "a loop over artifacts (ParallelFor)",
    "iteratorPolicy": "a limit on the tasks of a loop that run at once",
    "triggerPolicy": "a condition or an exit handler",
    "cacheKey": "a cache key of its own",
    "componentInputArtifact": "an artifact as an input of the pipeline",
    "taskFinalStatus": "the final status of another task as an input",
    "parameterExpressionSelector": "a part of a parameter as an input",
    "resolver": "a resolver",
    "customJob": "a Vertex AI job",
    "lifecycle": "a container lifecycle hook",
    "singlePlatformSpecs": "settings for one platform",
    "secretAsEnv": "a secret in a variable",
    "secretAsVolume": "a secret in a file",
    "pvcMount": "a volume",
    "nodeSelector": "a choice of nodes",
    "defaultPipelineRoot": "a pipeline root",
    "outputDefinitions": "outputs of the pipeline",
}
# A request is for a scheduler; here the whole machine is the task's. kfp writes each of these twice.
_RESOURCES = (
    "cpuLimit", "memoryLimit", "cpuRequest", "memoryRequest",
    "resourceCpuLimit", "resourceMemoryLimit", "resourceCpuRequest", "resourceMemoryRequest", "accelerator",
)  # fmt: skip
# Task and artifact names become folders and files of the run.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


# A pipeline of ours is 9 deep. PyYAML's C loader follows nesting until the stack overflows, which ends the process.
_DEEPEST = 100


def documents(text: str) -> list[Any]:
    """The documents of a compiled file.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it is nested deeper than any pipeline.
    """
    # The C loader is ten times as fast; PyYAML lacks it where it was built without libyaml.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep")
    return list(yaml.load_all(text, Loader=loader))


def refusal(where: str, what: str) -> UsageError:
    """The error for something at a place of the document that a local run does not do."""
    return UsageError(
        "The pipeline asks for something that a local run does not do.",
        received=f"{what}: {where}",
        advice="Take it out of the pipeline, or submit the pipeline to a cluster.",
    )


def fields(node: Any, where: str, *known: str) -> dict[str, Any]:
    """The mapping at a place of the document, checked to hold known fields only."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise UsageError(
            "This is not a compiled pipeline.",
            received=f"{where} is not a mapping",
            advice="`facenet compile` writes one.",
        )
    for name in node:
        if name not in known:
            raise refusal(f"{where}.{name}", _NOT_DONE.get(name, "a field that it does not know"))
    return node


def named(node: Any, where: str) -> dict[str, Any]:
    """The mapping at a place of the document whose keys are names of its own."""
    if node is not None and not isinstance(node, dict):
        raise UsageError(
            "This is not a compiled pipeline.",
            received=f"{where} is not a mapping",
            advice="`facenet compile` writes one.",
        )
    for name in node or {}:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                "A name in the pipeline cannot be the name of a file.",
                received=f"{where}: {name!r}",
                advice="Name tasks and artifacts with letters, digits, dots, dashes and underscores.",
            )
    return node or {}


def parameters(node: Any, where: str) -> dict[str, Parameter]:
    """Definitions of parameters."""
    found = {}
    for name, definition in named(node, where).items():
        place = f"{where}.{name}"
        spec = fields(definition, place, "parameterType", "defaultValue", "isOptional", "description", "literals")
        kind = spec.get("parameterType")
        if kind not in KINDS:
            raise refusal(f"{place}.parameterType", f"a parameter of type {kind}")
        default = spec.get("defaultValue")
        found[name] = Parameter(
            kind,
            None if default is None else to_kind(default, kind, place),
            bool(spec.get("isOptional")),
            tuple(to_kind(choice, kind, place) for choice in spec.get("literals") or ()),
        )
    return found


def artifact_types(node: Any, where: str) -> dict[str, str]:
    """The types of artifacts, as `system.Model`; of a list, that of its members."""
    found = {}
    for name, definition in named(node, where).items():
        spec = fields(definition, f"{where}.{name}", "artifactType", "isOptional", "isArtifactList", "description")
        kind = fields(spec.get("artifactType"), f"{where}.{name}.artifactType", "schemaTitle", "schemaVersion")
        found[name] = str(kind.get("schemaTitle", "system.Artifact"))
    return found


def container(spec: Any, where: str, shared_memory: int) -> Container:
    """A command and what it runs in."""
    spec = fields(spec, where, "image", "command", "args", "env", "resources")
    command = [str(word) for word in [*(spec.get("command") or ()), *(spec.get("args") or ())]]
    if not spec.get("command"):
        raise refusal(where, "a container without a command (its image's entry point)")
    for word in command:
        if word.startswith(('{"IfPresent"', '{"Concat"')):
            raise refusal(where, "an argument made of parts (IfPresent, Concat)")
    pairs = [fields(pair, f"{where}.env", "name", "value") for pair in spec.get("env") or ()]
    env = {str(pair["name"]): str(pair.get("value", "")) for pair in pairs}
    resources = fields(spec.get("resources"), f"{where}.resources", *_RESOURCES)
    memory = resources.get("memoryLimit")
    place = f"{where}.resources.accelerator"
    accelerator = fields(resources.get("accelerator"), place, "type", "count", "resourceType", "resourceCount")
    if accelerator and accelerator.get("resourceType") != "nvidia.com/gpu":
        raise refusal(place, f"an accelerator of the type {accelerator.get('resourceType')}")
    return Container(
        command=tuple(command),
        env=env,
        image=str(spec.get("image") or ""),
        cpus=float(resources["cpuLimit"]) if "cpuLimit" in resources else None,
        memory=None if memory is None else round(float(memory) * 1e9),  # in gigabytes
        shared_memory=shared_memory,
        gpus=int(accelerator.get("resourceCount", 0)),
    )


def importer(spec: Any, where: str, sources: dict[str, Source], defined: dict[str, Parameter]) -> Importer:
    """An import; one of a constant gets a parameter for it."""
    # An import locally always reads what lies there now, so `reimport` asks for nothing more.
    spec = fields(spec, where, "artifactUri", "typeSchema", "reimport")
    uri = fields(spec.get("artifactUri"), f"{where}.artifactUri", "constant", "runtimeParameter")
    if "runtimeParameter" in uri:
        return Importer(uri["runtimeParameter"])
    defined["uri"] = Parameter("STRING")
    sources["uri"] = Constant(uri["constant"])
    return Importer("uri")

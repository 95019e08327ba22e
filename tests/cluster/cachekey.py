"""What Kubeflow compares to answer a task from its cache."""

from __future__ import annotations

import hashlib
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster.text import go_json


def cache_key(
    component: spec.ComponentSpec, container: Any, given: spec.ExecutorInput, volume_claims: list[str]
) -> dict[str, Any]:
    """The message CacheKey as protojson, without what is empty.

    In it: the image, the words before anything is filled in, the parameters that the task passes, the numbers of the
    input artifacts (not their URIs), names and types of the outputs, the names of the volume claims. The workspace's
    claim is named after the run, so a task with a workspace is never answered from another run. Not in it: a
    component's defaults, environment, resources.

    Source: cacheutils/cache.go, GenerateCacheKey; driver/cache.go, getFingerPrint; driver/container.go, Container.

    Args:
        component: the task's.
        container: of its executor.
        given: what the driver hands to the launcher.
        volume_claims: names of the claims that the pod mounts.
    """
    artifacts = given.inputs.artifacts.items()
    words = [*container.command, *container.args]
    types = spec.ParameterType.ParameterTypeEnum
    key = {
        "inputArtifactNames": {name: _names([one.name for one in listed.artifacts]) for name, listed in artifacts},
        "inputParameterValues": {
            name: json_format.MessageToDict(value) for name, value in given.inputs.parameter_values.items()
        },
        "outputArtifactsSpec": {
            name: json_format.MessageToDict(listed.artifacts[0]) | {"uri": ""}
            for name, listed in given.outputs.artifacts.items()
        },
        "outputParametersSpec": {
            name: types.Name(component.output_definitions.parameters[name].parameter_type)
            for name in given.outputs.parameters
        },
        "containerSpec": {"image": container.image, "cmdArgs": words, "pvcNames": sorted(set(volume_claims))},
    }
    for output in key["outputArtifactsSpec"].values():
        del output["uri"]
    if not volume_claims:
        del key["containerSpec"]["pvcNames"]
    return {name: value for name, value in sorted(key.items()) if value}


def _names(names: list[str]) -> dict[str, list[str]]:
    return {"artifactNames": names} if names else {}


def fingerprint(key: dict[str, Any]) -> str:
    """The SHA-256 of a cache key.

    Source: cacheutils/cache.go, GenerateFingerPrint.
    """
    return hashlib.sha256(go_json(key).encode()).hexdigest()


def own(component: str, key: str) -> str:
    """What the answer of a task is kept under that says its own key: nothing of what it is given is in it.

    Source: driver/cache.go, getFingerPrint, master of 21 August 2026 (PR 13762).

    Args:
        component: the name that the task has for its component.
        key: what it says.
    """
    return hashlib.sha256(f"{component}\0{key}".encode()).hexdigest()

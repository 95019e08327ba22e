"""The second document of a compiled pipeline: its settings for Kubernetes, of which a local run needs few.

The format: kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto (PlatformSpec), and
kubernetes_platform/proto/kubernetes_executor_config.proto.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.compiled.document import fields, refusal

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a container's own
_UNITS = {"Mi": 2**20, "Gi": 2**30}


def shared_memory(documents: list[Any]) -> dict[str, int]:
    """The bytes of /dev/shm by executor; every other setting is for a scheduler, or refused by name.

    Args:
        documents: of the compiled file.

    Raises:
        UsageError: a setting that a local run does not honour.
    """
    if len(documents) > 2:
        raise refusal("the file", f"{len(documents)} documents")
    if len(documents) < 2:
        return {}
    platforms = fields(documents[1], "the second document", "platforms")["platforms"]
    spec = fields(platforms, "platforms", "kubernetes")["kubernetes"]
    spec = fields(spec, "platforms.kubernetes", "deploymentSpec", "pipelineConfig")
    # A volume for the run: here a task's own folder is one, see `plan.WORKSPACE`.
    config = fields(spec.get("pipelineConfig"), "platforms.kubernetes.pipelineConfig", "workspace")
    fields(config.get("workspace"), "platforms.kubernetes.pipelineConfig.workspace", "size", "kubernetes")
    place = "platforms.kubernetes.deploymentSpec"
    executors = fields(spec.get("deploymentSpec"), place, "executors").get("executors", {})
    return {label: _bytes(executor, f"{place}.executors.{label}") for label, executor in executors.items()}


def _bytes(executor: Mapping[str, Any], where: str) -> int:
    # Where a pod may run and what it may pull: here nothing is placed, and what is there need not be pulled.
    spec = fields(executor, where, "emptyDirMounts", "imagePullSecret", "tolerations")
    found = 0
    for number, mount in enumerate(spec.get("emptyDirMounts", [])):
        place = f"{where}.emptyDirMounts[{number}]"
        mount = fields(mount, place, "volumeName", "mountPath", "medium", "sizeLimit")  # noqa: PLW2901
        size = re.fullmatch(r"(\d+)(Mi|Gi)", str(mount.get("sizeLimit")))
        if (mount.get("mountPath"), mount.get("medium")) != (_SHARED_MEMORY, "Memory") or size is None:
            raise refusal(place, "an empty folder other than shared memory of a size in Mi or Gi")
        found = int(size[1]) * _UNITS[size[2]]
    return found

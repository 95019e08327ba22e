"""What the API server makes of a compiled pipeline: a claim on the workspace's volume, and retries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tests.cluster.compiled import documents
from tests.cluster.versions import RefusedError, Version

_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")


def workspace_claim(compiled: str, version: Version, default: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The claim on the volume of a run's workspace; None for a pipeline without one.

    The pipeline's patch goes over what the cluster's administrator has set; a stock installation sets nothing. Before
    2.17.0 one of them had to name a storage class; since, a cluster's default class will do.

    Source: compiler/argocompiler/argo.go, GetWorkspacePVC and convertStructToPVCSpec, 2.15.0 and 2.17.0;
    common/util/k8s_patches.go, PatchPVCSpec.

    Args:
        compiled: a compiled pipeline.
        version: of the back end.
        default: `workspace.volumeclaimtemplatespec` of the API server's settings.

    Raises:
        RefusedError: the run is not made; the text is in the API server's answer.
    """
    _, kubernetes = documents(compiled)
    workspace = kubernetes.get("pipelineConfig", {}).get("workspace", {})
    if "kubernetes" not in workspace:
        return None
    if not workspace.get("size"):
        raise RefusedError("workspace size is required but not specified")
    patch = workspace["kubernetes"].get("pvcSpecPatch", {})
    unknown = sorted(patch.keys() - {"accessModes", "storageClassName"})
    if unknown:
        raise RefusedError(f"unknown fields in PVC spec patch: [{' '.join(unknown)}]")
    claim = dict(_checked_default(default))
    claim |= {name: value for name, value in patch.items() if name != "accessModes" or value}
    if not claim.get("accessModes"):
        raise RefusedError("workspace PVC spec must specify accessModes")
    storage_class = claim.get("storageClassName")
    if version.storage_class_required and not storage_class:
        raise RefusedError("workspace PVC spec must specify storageClassName")
    if storage_class == "":
        raise RefusedError("workspace PVC spec storageClassName must be omitted or set to a non-empty value")
    if not _QUANTITY.fullmatch(workspace["size"]):
        raise RefusedError("invalid size value for workspace PVC: quantities must match the regular expression")
    if workspace["size"].startswith("-"):
        raise RefusedError(f"negative size value for workspace PVC: {workspace['size']}")
    return claim | {"resources": {"requests": {"storage": workspace["size"]}}}


def _checked_default(default: dict[str, Any] | None) -> dict[str, Any]:
    """What the API server starts with; without both settings it does not start.

    Source: apiserver/main.go, getPVCSpec.
    """
    if default is not None and not (default.get("accessModes") and default.get("storageClassName")):
        raise RefusedError("invalid workspace.volumeclaimtemplatespec: must specify accessModes and storageClassName")
    return default or {}


@dataclass(frozen=True)
class RetryStrategy:
    """What Argo is told about trying a template again.

    Args:
        limit: how many times after the first.
        duration: seconds to wait before the first of them.
        factor: by which the wait grows.
        max_duration: seconds from the start of the first attempt in which the last may begin; None for any.
        policy: after which ends: Always, OnFailure, OnError, OnTransientError; "" for Argo's default.
    """

    limit: int
    duration: int = 0
    factor: int = 0
    max_duration: int | None = None
    policy: str = ""


@dataclass(frozen=True)
class Retries:
    """What Argo is told about a container task.

    Args:
        pod: about the template that makes its pod.
        around: about the templates around that, from the inner to the outer.
    """

    pod: RetryStrategy | None
    around: list[RetryStrategy | None]


# Around each pod: the task's own DAG of it, the pipeline, the entrypoint.
_AROUND, _AROUND_IN_DAG, _AROUND_IN_LOOP = 3, 1, 3


def retries(compiled: str, version: Version) -> dict[str, Retries]:
    """By container task, what Argo is told about trying it again. Names are as in records(), without iterations.

    A task's strategy goes to the template that makes its pod. What it leaves open, an installation's defaults say; in a
    stock one there are none before 2.17.0, and then there are for every template, so that a task is tried again inside
    a pipeline that is tried again.

    Source: compiler/argocompiler/container.go, addContainerExecutorTemplate; dag.go, DAG and iteratorTask; PR 13386 and
    its review; and workflow/controller/operator.go of github.com/argoproj/argo-workflows, v4.0.5,
    mergedTemplateDefaultsInto.
    """
    document, _ = documents(compiled)
    return dict(_tasks(document, document["root"], "", _AROUND, version))


def _tasks(
    document: dict[str, Any], component: dict[str, Any], path: str, around: int, version: Version
) -> Iterator[tuple[str, Retries]]:
    default = RetryStrategy(version.error_retries, policy="OnError") if version.error_retries else None
    for name, task in component["dag"]["tasks"].items():
        inner = document["components"][task["componentRef"]["name"]]
        if "dag" in inner:
            more = _AROUND_IN_LOOP if "parameterIterator" in task else _AROUND_IN_DAG
            yield from _tasks(document, inner, f"{path}{name}/", around + more, version)
        elif "container" in document["deploymentSpec"]["executors"][inner["executorLabel"]]:
            own = _strategy(task.get("retryPolicy"), version)
            if own and default and not own.policy:
                own = replace(own, policy=default.policy)
            yield f"{path}{name}", Retries(own or default, [default] * around)


def _strategy(policy: dict[str, Any] | None, version: Version) -> RetryStrategy | None:
    """A task's own strategy; a duration that it leaves out is 0, with which nothing is tried again.

    Source: compiler/argocompiler/container.go, getTaskRetryParametersWithValues, addParameterDefault and
    getTaskRetryStrategyFromInput.
    """
    if policy is None:
        return None
    duration, longest = (
        int(Decimal(policy.get(key, "0s").removesuffix("s"))) for key in ("backoffDuration", "backoffMaxDuration")
    )
    factor = policy.get("backoffFactor", 0.0)
    if factor != int(factor):
        raise RefusedError(f'failed to convert "{factor}" to int32')
    said = policy.get("policy", "") if version.retry_policy else ""
    return RetryStrategy(policy.get("maxRetryCount", 0), duration, int(factor), longest, _POLICIES.get(said, ""))


_POLICIES = {
    "POLICY_ALWAYS": "Always",
    "POLICY_ON_FAILURE": "OnFailure",
    "POLICY_ON_ERROR": "OnError",
    "POLICY_ON_TRANSIENT_ERROR": "OnTransientError",
}

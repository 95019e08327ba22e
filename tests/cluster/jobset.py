"""What Kubeflow's Trainer 2, JobSet and Kubernetes make of a TrainJob: its pods, and what follows their ends.

Rules were read in kubeflow/trainer v2.3.0, kubernetes-sigs/jobset v0.12.0, which it installs, and Kubernetes 1.34.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Pod:
    """A pod of a training.

    Args:
        host: the name under which the other pods find it.
        words: of its container, after everything was filled in.
        env: of its container, those that the manifest lists.
        mounts: the claim of each volume that outlives it, by the folder in the container.
    """

    host: str
    words: list[str]
    env: dict[str, str]
    mounts: dict[str, str]


def pods(runtime: dict[str, Any], train_job: dict[str, Any]) -> list[Pod]:
    """The pods of a TrainJob that is not suspended."""
    name, trainer = train_job["metadata"]["name"], train_job["spec"].get("trainer", {})
    made = []
    for replicated in runtime["spec"]["template"]["spec"]["replicatedJobs"]:
        # Trainer, pkg/runtime/core/trainingruntime.go, newRuntimeInfo; plugins/plainml/plainml.go, EnforceMLPolicy.
        assert replicated["template"]["metadata"]["labels"][_ANCESTOR] == "trainer"
        assert set(runtime["spec"]["mlPolicy"]) == {"numNodes"}, "of a framework: another plugin fills it in"
        number = trainer.get("numNodes", runtime["spec"]["mlPolicy"]["numNodes"])
        spec = replicated["template"]["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert container["name"] == "node"
        # plugins/jobset/builder.go, Trainer.
        words = [*trainer.get("command", container["command"]), *trainer.get("args", container.get("args", []))]
        for index in range(number):
            # JobSet, pkg/controllers/jobset_controller.go, labelAndAnnotateObject, and for the names constructJob and
            # pkg/util/placement, GenPodName. Kubernetes, pkg/controller/job/indexed_job_utils.go.
            of_pod = {
                "metadata.labels['jobset.sigs.k8s.io/jobset-name']": name,
                f"metadata.annotations['{_INDEX}']": str(index),
            }
            env: dict[str, str] = {}
            for variable in container["env"]:
                field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
                env[variable["name"]] = of_pod[field] if field else _expanded(variable["value"], env)
            claims = {
                volume["name"]: volume["persistentVolumeClaim"]["claimName"]
                for volume in spec["volumes"]
                if "persistentVolumeClaim" in volume
            }
            mounts = {
                mount["mountPath"]: claims[mount["name"]]
                for mount in container["volumeMounts"]
                if mount["name"] in claims
            }
            host = f"{name}-{replicated['name']}-0-{index}.{name}"
            made.append(Pod(host, [_expanded(word, env) for word in words], env, mounts))
    return made


def _expanded(text: str, env: dict[str, str]) -> str:
    """Kubernetes, third_party/forked/golang/expansion: a variable that is not known yet stays as it is written."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text)


def follows(runtime: dict[str, Any], codes: list[int], restarts: int) -> str:
    """What follows the ends of a training's pods: `complete`, `failed`, or `again`, all of them.

    Args:
        runtime: the TrainingRuntime.
        codes: the exit code of each pod; not zero where it was lost.
        restarts: how often all of them were begun again already.
    """
    spec = runtime["spec"]["template"]["spec"]
    (job,) = (replicated["template"]["spec"] for replicated in spec["replicatedJobs"])
    assert job["template"]["spec"]["restartPolicy"] == "Never" and job["backoffLimit"] == 0
    failed = [code for code in codes if code]
    if not failed:
        return "complete"
    # Kubernetes, pkg/controller/job/pod_failure_policy.go, then job_controller.go: a limit of 0 ends it with one pod.
    rules = [rule["onExitCodes"]["values"] for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    reason = "PodFailurePolicy" if any(failed[0] in values for values in rules) else "BackoffLimitExceeded"
    # JobSet, pkg/controllers/failure_policy.go, executeFailurePolicy: the first rule that fits, else all begin again.
    for rule in spec["failurePolicy"]["rules"]:
        if reason in rule["onJobFailureReasons"]:
            assert rule["action"] == "FailJobSet"
            return "failed"
    return "again" if restarts < spec["failurePolicy"]["maxRestarts"] else "failed"

"""Whether Argo Workflows tries a task again: how it sees an attempt's end, and what it then decides.

Read from github.com/argoproj/argo-workflows at v3.7.3, v3.7.8 and v4.0.5, the releases that Kubeflow's name; in this
they do not differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tests.cluster.workflow import Retries, RetryStrategy

Phase = Literal["Succeeded", "Failed", "Error"]


@dataclass(frozen=True)
class PodEnd:
    """How an attempt ended, as Kubernetes says it.

    Args:
        exit_code: of the main container; None when it has none.
        message: of the pod's status, as the kubelet sets it when it evicts a pod.
        deleted: the pod was gone before Argo saw an end of it.
        wait_exit_code: of Argo's own container beside it, which waits for the end.
    """

    exit_code: int | None = None
    message: str = ""
    deleted: bool = False
    wait_exit_code: int = 0


# What ends a pod. A scheduler that preempts a pod for another, a drained node and a lost one delete it. A kubelet that
# runs short evicts it: the pod stays, failed, with a message. Too much memory kills the container with signal 9.
DELETED = PodEnd(deleted=True)
PREEMPTED = PodEnd(deleted=True)
EVICTED = PodEnd(message="The node was low on resource: memory.")
OUT_OF_MEMORY = PodEnd(exit_code=137)


def phase(end: PodEnd) -> Phase:
    """What Argo calls an end: Failed when the main container failed or the pod has a message, Error for its own.

    Source: workflow/controller/operator.go, podReconciliation, assessNodeStatus and inferFailedReason.
    """
    if end.deleted:
        return "Error"
    if end.message or end.exit_code:
        return "Failed"
    if end.wait_exit_code:
        return "Error"
    return "Succeeded" if end.exit_code == 0 else "Failed"


@dataclass(frozen=True)
class Decision:
    """What Argo does after an attempt.

    Args:
        again: whether there is another.
        why: not, in Argo's words.
        wait: seconds from the attempt's end to the next.
    """

    again: bool
    why: str = ""
    wait: float = 0.0


def decide(strategy: RetryStrategy | None, ends: list[PodEnd], started: float, ended: float) -> Decision:
    """Whether there is another attempt.

    The longest duration counts from the start of the first attempt, so it is also how long the first may take if there
    is to be a second.

    Source: workflow/controller/operator.go, processNodeRetries; pkg/apis/workflow/v1alpha1/workflow_types.go,
    RetryPolicyActual.

    Args:
        strategy: what Argo was told; None for nothing.
        ends: of all attempts until now.
        started: seconds at which the first one began.
        ended: seconds at which the last one ended.
    """
    last = phase(ends[-1])
    if last == "Succeeded":
        return Decision(False)
    if strategy is None:
        return Decision(False, "no retryStrategy")
    deadline = math.inf if strategy.max_duration is None else started + strategy.max_duration
    if ended > deadline:
        return Decision(False, "Max duration limit exceeded")
    wait = strategy.duration * (strategy.factor ** (len(ends) - 1) if strategy.factor > 0 else 1)
    if ended + wait > deadline:
        return Decision(False, "Backoff would exceed max duration limit")
    policy = strategy.policy or "OnFailure"
    after = {"Always": {"Failed", "Error"}, "OnFailure": {"Failed"}, "OnError": {"Error"}}
    assert policy in after, "no rule for transient errors here"
    if last not in after[policy]:
        return Decision(False, f"Node not set to be retried after status: {last}")
    if len(ends) > strategy.limit:
        return Decision(False, "No more retries left")
    return Decision(True, wait=wait)


def attempts(told: Retries, end: PodEnd) -> int:
    """How many pods a task has if each ends alike, and at once.

    A DAG ends as what is in it ended.

    Source: workflow/controller/dag.go, assessDAGPhase; operator.go, executeTemplate.
    """
    count = 1
    for strategy in (told.pod, *told.around):
        ends = [end]
        while decide(strategy, ends, 0, 0).again:
            ends.append(end)
        count *= len(ends)
    return count

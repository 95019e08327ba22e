"""The workspace's claim, and whether Argo tries a task again, by release."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.argo import DELETED, EVICTED, OUT_OF_MEMORY, PREEMPTED, PodEnd, attempts, decide, phase
from tests.cluster.versions import SUPPORTED, VERSIONS, RefusedError
from tests.cluster.workflow import RetryStrategy, retries, workspace_claim

ENDS = {
    "deleted": DELETED,
    "preempted": PREEMPTED,
    "evicted": EVICTED,
    "out of memory": OUT_OF_MEMORY,
    "exit 1": PodEnd(exit_code=1),
    "exit 2": PodEnd(exit_code=2),
    "exit 75": PodEnd(exit_code=75),
}
LOST = {"deleted", "preempted"}
HOUR = 3600


def pipeline(workspace: dict[str, Any] | None = None, retry: dict[str, Any] | None = None) -> str:
    """A pipeline of the task `one`, with what is given."""
    task = {"componentRef": {"name": "comp-one"}} | ({"retryPolicy": retry} if retry else {})
    first = {
        "root": {"dag": {"tasks": {"one": task}}},
        "components": {"comp-one": {"executorLabel": "exec-one"}},
        "deploymentSpec": {"executors": {"exec-one": {"container": {}}}},
    }
    second = {"platforms": {"kubernetes": {"pipelineConfig": {"workspace": workspace} if workspace else {}}}}
    return yaml.safe_dump_all([first, second])


def claim(version: str, patch: dict[str, Any], default: dict[str, Any] | None = None, size: str = "20Gi") -> Any:
    """What comes of a workspace with a patch."""
    text = pipeline(workspace={"size": size, "kubernetes": {"pvcSpecPatch": patch}})
    try:
        return workspace_claim(text, VERSIONS[version], default)
    except RefusedError as error:
        return str(error)


NO_CLASS = "workspace PVC spec must specify storageClassName"
NO_MODES = "workspace PVC spec must specify accessModes"
MODES = {"accessModes": ["ReadWriteOnce"]}
ASKED = {"resources": {"requests": {"storage": "20Gi"}}}
CLASS = {"storageClassName": "standard"}


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_workspace_needs_access_modes_and_before_2_17_a_storage_class(version):
    old = version < "2.17"
    assert claim(version, {}) == NO_MODES
    assert claim(version, CLASS) == NO_MODES
    assert claim(version, MODES) == (NO_CLASS if old else MODES | ASKED)
    assert claim(version, MODES | CLASS) == MODES | CLASS | ASKED
    assert claim(version, MODES | {"storageClassName": ""}) == (
        NO_CLASS if old else "workspace PVC spec storageClassName must be omitted or set to a non-empty value"
    )


@pytest.mark.parametrize("version", SUPPORTED)
def test_what_a_pipeline_leaves_open_an_administrator_may_have_set(version):
    default = {"accessModes": ["ReadWriteMany"]} | CLASS
    assert claim(version, {}, default) == default | ASKED
    assert claim(version, MODES, default) == MODES | CLASS | ASKED
    assert claim(version, {"accessModes": []}, default) == default | ASKED
    assert claim(version, {}, MODES) == (
        "invalid workspace.volumeclaimtemplatespec: must specify accessModes and storageClassName"
    )


@pytest.mark.parametrize("version", SUPPORTED)
def test_other_words_and_sizes_of_a_workspace_are_refused(version):
    assert claim(version, MODES | {"volumeMode": "Block"}) == "unknown fields in PVC spec patch: [volumeMode]"
    good = MODES | CLASS
    assert claim(version, good, size="") == "workspace size is required but not specified"
    assert claim(version, good, size="-1Gi") == "negative size value for workspace PVC: -1Gi"
    assert claim(version, good, size="20 GB").startswith("invalid size value for workspace PVC: ")
    assert workspace_claim(pipeline(), VERSIONS[version]) is None


RETRY = {"maxRetryCount": 3, "backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "604800s"}
# What Argo calls an end that is tried again: by release, for a task that asks for it and for one that does not.
AGAIN = {
    "2.15.0": ({"Failed"}, set()),
    "2.16.0": ({"Failed"}, set()),
    "2.16.1": ({"Failed"}, set()),
    "2.17.0": ({"Error"}, {"Error"}),
    "2.17.1": ({"Error"}, {"Error"}),
    "2.18": ({"Error"}, {"Error"}),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_argo_calls_an_end(end):
    assert phase(ENDS[end]) == ("Error" if end in LOST else "Failed")


def test_what_argo_calls_other_ends():
    assert phase(PodEnd(exit_code=0)) == "Succeeded"
    assert phase(PodEnd(exit_code=0, wait_exit_code=1)) == "Error"
    assert phase(PodEnd(exit_code=1, wait_exit_code=1)) == "Failed"
    assert phase(PodEnd()) == "Failed"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("end", ENDS)
def test_whether_a_task_is_tried_again(version, end):
    ended = ENDS[end]
    for retry, again in zip((RETRY, None), AGAIN[version], strict=True):
        known = retries(pipeline(retry=retry), VERSIONS[version])["one"]
        decision = decide(known.pod, [ended], 0, HOUR)
        assert decision.again is (phase(ended) in again)
        if known.pod and not decision.again:
            assert decision.why == f"Node not set to be retried after status: {phase(ended)}"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("policy", "again"),
    [("ALWAYS", {"Failed", "Error"}), ("ON_FAILURE", {"Failed"}), ("ON_ERROR", {"Error"}), ("UNSPECIFIED", {"Error"})],
)
def test_a_policy_of_a_tasks_own_counts_from_2_18_on(policy, again, end):
    text = pipeline(retry=RETRY | {"policy": f"POLICY_{policy}"})
    decision = decide(retries(text, VERSIONS["2.18"])["one"].pod, [ENDS[end]], 0, HOUR)
    assert decision.again is (phase(ENDS[end]) in again)
    assert retries(text, VERSIONS["2.16.0"]) == retries(pipeline(retry=RETRY), VERSIONS["2.16.0"])


@pytest.mark.parametrize(
    ("version", "end", "with_retries", "without"),
    [
        ("2.16.1", DELETED, 1, 1),
        ("2.16.1", PodEnd(exit_code=1), 4, 1),
        # Every template around the pod is tried again too.
        ("2.17.0", DELETED, 4 * 3**3, 3**4),
        ("2.17.0", PodEnd(exit_code=1), 1, 1),
    ],
)
def test_how_many_pods_there_are_when_all_end_alike(version, end, with_retries, without):
    for retry, count in ((RETRY, with_retries), (None, without)):
        assert attempts(retries(pipeline(retry=retry), VERSIONS[version])["one"], end) == count


def test_waits_grow_and_tries_end():
    strategy = RetryStrategy(3, 30, 2, 7 * 24 * HOUR)
    ends = [PodEnd(exit_code=1)]
    waits = []
    while (decision := decide(strategy, ends, 0, 0)).again:
        waits.append(decision.wait)
        ends.append(PodEnd(exit_code=1))
    assert waits == [30, 60, 120]
    assert decision.why == "No more retries left"


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (HOUR - 31, ""),
        (HOUR - 29, "Backoff would exceed max duration limit"),
        (HOUR + 1, "Max duration limit exceeded"),
    ],
)
def test_the_longest_duration_counts_from_the_start_of_the_first_attempt(ended, why):
    decision = decide(RetryStrategy(3, 30, 2, HOUR), [PodEnd(exit_code=1)], 0, ended)
    assert (decision.again, decision.why) == (not why, why)


def test_without_a_longest_duration_in_the_pipeline_nothing_is_tried_again():
    text = pipeline(retry={"maxRetryCount": 3, "backoffDuration": "30s", "backoffFactor": 2.0})
    known = retries(text, VERSIONS["2.16.1"])["one"].pod
    assert decide(known, [PodEnd(exit_code=1)], 0, 1).why == "Max duration limit exceeded"


def test_a_factor_is_whole():
    with pytest.raises(RefusedError, match=r'failed to convert "1\.5" to int32'):
        retries(pipeline(retry=RETRY | {"backoffFactor": 1.5}), VERSIONS["2.16.1"])

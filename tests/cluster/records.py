"""What a release of Kubeflow would do with each task of a compiled pipeline, as data to hold against the real one."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from tests.cluster.driver import Driver
from tests.cluster.pods import Pod, Run
from tests.cluster.versions import VERSIONS, RefusedError


def records(compiled: str, version: str, parameters: dict[str, Any], run: Run | None = None) -> list[dict[str, Any]]:
    """A record of each container task, in an order in which they may run. Nothing runs.

    A record:

        {
            "task": "for-loop-1/0/extract",   # tasks from the root on; an iteration is its index
            "refused": None,                  # or the text with which driver or launcher ends the task
            "executor_input": {...},          # ExecutorInput, protojson: as the driver hands it to the launcher, so
                                              # without the component's defaults
            "image": "facenet/extract:...",
            "driver_words": [...],            # command and args in the pod-spec-patch, after the driver
            "words": [...],                   # what is executed: after the launcher
            "env": {"NAME": "value"},         # of the component
            "resources": {"limits": {"cpu": "4", "memory": "4G"}, "requests": {...}},
            "mounts": [                       # volumes beside those that every pod has
                {"name": "kfp-workspace", "mountPath": "/kfp-workspace", "claim": "facenet-x-kfp-workspace"},
                {"name": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "1Gi"},
            ],
            "cache_key": {...},               # CacheKey, protojson with sorted keys; None where caching is off
            "fingerprint": "...",             # its SHA-256, hexadecimal; "" where caching is off
            "buckets": {"faces": ["root"]},   # by input, for each artifact: "root" where the bucket is opened with the
                                              # pipeline root's credentials, else "environment"
        }

    A refused task is taken to have made its outputs, so that every task is looked at. What a driver refuses for a whole
    DAG ends the list with a record that has "task" and "refused" only.

    What a cluster makes up is made up here: a task's UUID is `salt-N`, N counting drivers of containers from 1;
    an artifact's name is the number under which ML Metadata knows it, counting from 1 in the order of "task" and of
    the outputs' names; `store_session_info` names the provider only. The run's own names are `run`'s.

    Args:
        compiled: a compiled pipeline, its platform's settings in a second document.
        version: a key of VERSIONS.
        parameters: the run's.
        run: what else a run has.
    """
    found: list[dict[str, Any]] = []
    driver = Driver(
        compiled, VERSIONS[version], run or Run(), lambda pod: found.append(_record(pod)) or pod.provisioned
    )
    try:
        driver.walk(parameters)
    except RefusedError as error:
        found.append({"task": driver.where, "refused": str(error)})
    return found


def _record(pod: Pod) -> dict[str, Any]:
    return {
        "task": pod.path,
        "refused": pod.refused,
        "executor_input": json_format.MessageToDict(pod.given),
        "image": pod.image,
        "driver_words": pod.driver_words,
        "words": pod.words,
        "env": pod.env,
        "resources": pod.resources,
        "mounts": pod.mounts,
        "cache_key": pod.cache_key,
        "fingerprint": pod.fingerprint,
        "buckets": pod.buckets,
    }

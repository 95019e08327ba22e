"""A run, and the pods of its container tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster.metadata import Artifacts
from tests.cluster.store import Bucket

LOG = "executor-logs"


@dataclass(frozen=True)
class Run:
    """A run.

    Args:
        name: of its Argo workflow.
        id: Kubeflow's.
        roots: pipeline roots. A cluster has one; with several, each task's name is given another, which shows that none
            takes the place for granted.
        publish_logs: whether each task's log is an output, as it is where nothing else is set (driver's main.go).
    """

    name: str = "facenet-x"
    id: str = "run"
    roots: tuple[str, ...] = ("minio://mlpipeline/v2/artifacts",)
    publish_logs: bool = True


@dataclass(frozen=True)
class Pod:
    """A container task with all that was found out of it.

    Args:
        path: the names of the tasks around it and its own, and the index of each iteration, with slashes between.
        task: its name.
        root: the folder that its outputs lie in.
        given: what the driver hands to the launcher.
        launched: what the launcher makes of it: with the component's defaults.
        image, env: its container's.
        driver_words: the container's words after the driver, none when it refused.
        words: after the launcher.
        resources, mounts: what it asks of the cluster.
        cache_key, fingerprint: what its answer is kept under.
        buckets: with whose credentials each input is read.
        refused: why it does not run.
    """

    path: str
    task: str
    root: Bucket
    given: spec.ExecutorInput
    launched: spec.ExecutorInput
    image: str
    env: dict[str, str]
    driver_words: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    resources: dict[str, dict[str, str]] = field(default_factory=dict)
    mounts: list[dict[str, str]] = field(default_factory=list)
    cache_key: dict[str, Any] | None = None
    fingerprint: str = ""
    buckets: dict[str, list[str]] = field(default_factory=dict)
    refused: str | None = None

    @property
    def provisioned(self) -> Artifacts:
        """Its outputs as they were planned."""
        return {name: list(listed.artifacts) for name, listed in self.given.outputs.artifacts.items()}

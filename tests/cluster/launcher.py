"""Runs a compiled pipeline as a Kubeflow cluster does: its driver and its launcher, with folders for stores and pods.

By the rules of kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, as far as this pipeline needs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster import store
from tests.cluster.driver import Driver
from tests.cluster.metadata import Artifacts
from tests.cluster.pods import LOG, Pod, Run
from tests.cluster.store import MOUNTS, local_path
from tests.cluster.versions import SUPPORTED, VERSIONS

# A cluster stores a run in one place. Each task in another, where the back end can read them all, shows that none takes
# the place for granted.
ROOTS = ("minio://mlpipeline/v2/artifacts/facenet", "s3://bucket/facenet", "gs://bucket/runs of facenet")
# Root may be anybody; anybody else can only give files to himself. Neither is known in the image.
USER = os.getuid() or 54321
SHELLS = ("/usr/bin/dash", "/usr/bin/bash")
LEAST = (
    *("--rm", f"--user={USER}:{USER}", "--network=none"),
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *(f"--mount=type=bind,source=/dev/null,target={shell},readonly" for shell in SHELLS),
)


@dataclass(frozen=True)
class Launch:
    """A task that was run: what it was given, its pod's disk, and the text in which it described its results."""

    task: str
    given: spec.ExecutorInput
    pod: Path
    said: str

    def output(self, name: str) -> Path:
        """Where the task left an artifact."""
        return local_path(self.given.outputs.artifacts[name].artifacts[0].uri, self.pod)


@dataclass
class Cluster:
    """A cluster in a folder, and what it ran.

    Args:
        folder: for `stores`, where a URI `gs://bucket/key` lies in `gcs/bucket/key`, the disks of `pods`, and the
            volume `workspace` that the pods of a run share.
        version: of its back end.
    """

    folder: Path
    version: str = SUPPORTED[-1]
    launches: list[Launch] = field(default_factory=list)

    @property
    def stores(self) -> Path:
        """The folder of all stores."""
        return self.folder / "stores"

    def run(self, compiled: str, **parameters: Any) -> None:
        """Runs a pipeline to its end; a task that fails raises."""
        (self.folder / "workspace").mkdir()
        version = VERSIONS[self.version]
        run = Run(roots=ROOTS if version.minio_without_session else ROOTS[:1])
        Driver(compiled, version, run, self._execute).walk(parameters)

    def _execute(self, pod: Pod) -> Artifacts:
        assert pod.refused is None, f"{pod.path}: {pod.refused}"
        disk = self.folder / "pods" / f"{len(self.launches)}-{pod.task}"
        for mount in (*MOUNTS.values(), "tmp"):
            (disk / mount).mkdir(parents=True)
        for listed in pod.launched.inputs.artifacts.values():
            for artifact in listed.artifacts:
                self._download(artifact.uri, pod, disk)
        for listed in pod.launched.outputs.artifacts.values():
            local_path(listed.artifacts[0].uri, disk).parent.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.folder / "workspace", disk, *disk.rglob("*")):
                os.chown(path, USER, USER)
        mounts = [f"--mount=type=bind,source={disk / mount},target=/{mount}" for mount in (*MOUNTS.values(), "tmp")]
        env = [f"--env={name}={value}" for name, value in pod.env.items()]
        words = ["docker", "run", *LEAST, *mounts, *self._volumes(pod), *env, pod.image, *pod.words]
        ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert ended.returncode == 0, f"{pod.task}: exit code {ended.returncode}\n{ended.stdout}"
        file = disk / pod.launched.outputs.output_file.lstrip("/")
        launch = Launch(pod.task, pod.launched, disk, file.read_text() if file.exists() else "{}")
        launch.output(LOG).write_text(ended.stdout)
        self.launches.append(launch)
        return self._published(launch, pod)

    def _volumes(self, pod: Pod) -> Iterator[str]:
        """What a pod has besides its own disk."""
        for mount in pod.mounts:
            if "claim" in mount:
                yield f"--mount=type=bind,source={self.folder / 'workspace'},target={mount['mountPath']}"
            else:
                assert mount["medium"] == "Memory", "no rule for other volumes here"
                yield f"--tmpfs={mount['mountPath']}:size={mount['sizeLimit'].removesuffix('i').lower()}"

    def _download(self, uri: str, pod: Pod, disk: Path) -> None:
        bucket = store.opened(uri, pod.root, VERSIONS[self.version])
        folder = local_path(bucket.uri, self.stores) / bucket.prefix
        keys = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        wanted = store.downloads(keys, bucket.key(uri), local_path(uri, disk), VERSIONS[self.version])
        for key, local in wanted.items():
            local.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / key, local)

    def _published(self, launch: Launch, pod: Pod) -> Artifacts:
        """What the task said of its outputs goes over what was planned; the log is the launcher's own.

        Source: uploadOutputArtifacts, mergeRuntimeArtifacts and getExecutorOutputFile.
        """
        said = json_format.Parse(launch.said, spec.ExecutorOutput())
        artifacts = {}
        for name, listed in launch.given.outputs.artifacts.items():
            made = spec.RuntimeArtifact()
            made.CopyFrom(listed.artifacts[0])
            if name != LOG and said.artifacts[name].artifacts:
                made.uri = said.artifacts[name].artifacts[0].uri or made.uri
                made.metadata.MergeFrom(said.artifacts[name].artifacts[0].metadata)
            folder = local_path(pod.root.uri, self.stores) / pod.root.prefix
            for key, file in store.uploads(local_path(made.uri, launch.pod), pod.root.key(made.uri)).items():
                (folder / key).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / key)
            artifacts[name] = [made]
        return artifacts

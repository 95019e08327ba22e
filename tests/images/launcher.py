"""Runs a compiled pipeline as a Kubeflow cluster does: its driver and its launcher, with folders for stores and pods.

By the rules of kubeflow/pipelines, backend/src/v2/driver and backend/src/v2/component/launcher_v2.go, as far as a
pipeline of containers, importers and loops needs them. It reads with kfp's own protocol buffers, and nothing of ours.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

MOUNTS = {"gs": "gcs", "s3": "s3", "minio": "minio"}
# A cluster stores a run in one place. Each task in another shows that none takes the place for granted.
ROOTS = ("minio://mlpipeline/v2/artifacts/facenet", "s3://bucket/facenet", "gs://bucket/runs of facenet")
WORKSPACE = "/kfp-workspace"
OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"
# Root may be anybody; anybody else can only give files to himself. Neither is known in the image.
USER = os.getuid() or 54321
SHELLS = ("/usr/bin/dash", "/usr/bin/bash")
LEAST = (
    *("--rm", f"--user={USER}:{USER}", "--network=none"),
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *(f"--mount=type=bind,source=/dev/null,target={shell},readonly" for shell in SHELLS),
)


@dataclass(frozen=True)
class Values:
    """What goes into a task, or comes out of it."""

    parameters: dict[str, Value]
    artifacts: dict[str, list[spec.RuntimeArtifact]]


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


def local_path(uri: str, pod: Path = Path("/")) -> Path:
    """Where the launcher puts what lies at a URI."""
    scheme, _, rest = uri.partition("://")
    return pod / MOUNTS[scheme] / rest


def text(value: Value) -> str:
    """A parameter as the launcher writes it into a command."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return format(Decimal(repr(value.number_value)).normalize(), "f")
    return value.string_value if kind == "string_value" else json_format.MessageToJson(value, indent=None)


def command(container: Any, given: spec.ExecutorInput) -> list[str]:
    """The words of a container's command with the launcher's placeholders filled in."""
    table = {"{{$}}": json_format.MessageToJson(given, indent=None)}
    for side, artifacts in (("inputs", given.inputs.artifacts), ("outputs", given.outputs.artifacts)):
        for name, listed in artifacts.items():
            table[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = listed.artifacts[0].uri
            table[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = str(local_path(listed.artifacts[0].uri))
    for name, value in given.inputs.parameter_values.items():
        table[f"{{{{$.inputs.parameters['{name}']}}}}"] = text(value)
    words = [*container.command, *container.args]
    for placeholder, replacement in table.items():
        words = [word.replace(placeholder, replacement) for word in words]
    assert not [word for word in words if "{{$" in word], words
    return words


def upload(local: Path, stored: Path) -> None:
    """Stores a file or folder as the launcher does: empty folders are lost, and a link to a folder is an error."""
    if not local.is_dir():
        stored.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, stored)
        return
    for entry in os.scandir(local):
        if entry.is_dir(follow_symlinks=False):
            upload(Path(entry.path), stored / entry.name)
        else:
            stored.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.path, stored / entry.name)


@dataclass
class Cluster:
    """A cluster in a folder, and what it ran.

    Args:
        folder: for `stores`, where a URI `gs://bucket/key` lies in `gcs/bucket/key`, the disks of `pods`, and the
            volume `workspace` that the pods of a run share.
    """

    folder: Path
    launches: list[Launch] = field(default_factory=list)
    _roots: Iterator[str] = field(default_factory=lambda: itertools.cycle(ROOTS))

    @property
    def stores(self) -> Path:
        """The folder of all stores."""
        return self.folder / "stores"

    def run(self, compiled: str, **parameters: Any) -> None:
        """Runs a pipeline to its end; a task that fails raises."""
        document, *platforms = yaml.safe_load_all(compiled)
        self._pipeline = json_format.ParseDict(document, spec.PipelineSpec())
        self._deployment = json_format.ParseDict(document["deploymentSpec"], spec.PipelineDeploymentConfig())
        self._settings = platforms[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platforms else {}
        (self.folder / "workspace").mkdir()
        given = {name: json_format.ParseDict(value, Value()) for name, value in parameters.items()}
        self._component("facenet", self._pipeline.root, Values(given, {}))

    def _component(self, task: str, component: spec.ComponentSpec, given: Values) -> Values:
        defaults = {
            name: definition.default_value
            for name, definition in component.input_definitions.parameters.items()
            if definition.HasField("default_value")
        }
        given = Values(defaults | given.parameters, given.artifacts)
        if component.HasField("dag"):
            return self._dag(component, given)
        executor = self._deployment.executors[component.executor_label]
        if executor.HasField("importer"):
            (name,) = component.output_definitions.artifacts
            uri = given.parameters[executor.importer.artifact_uri.runtime_parameter].string_value
            imported = spec.RuntimeArtifact(name=name, uri=uri, type=executor.importer.type_schema)
            return Values({}, {name: [imported]})
        return self._launch(task, component, executor.container, given)

    def _mounts(self, label: str, given: Values) -> Iterator[str]:
        """What a pod has besides its own disk."""
        for mount in self._settings.get(label, {}).get("emptyDirMounts", []):
            assert mount["medium"] == "Memory", "no rule for other volumes here"
            yield f"--tmpfs={mount['mountPath']}:size={mount['sizeLimit'].removesuffix('i').lower()}"
        if any(WORKSPACE in value.string_value for value in given.parameters.values()):
            yield f"--mount=type=bind,source={self.folder / 'workspace'},target={WORKSPACE}"

    def _dag(self, component: spec.ComponentSpec, given: Values) -> Values:
        tasks = component.dag.tasks
        done: dict[str, Values] = {}
        order = TopologicalSorter({name: list(task.dependent_tasks) for name, task in tasks.items()})
        for name in order.static_order():
            done[name] = self._task(name, tasks[name], given, done)
        outputs: dict[str, list[spec.RuntimeArtifact]] = {}
        for name, output in component.dag.outputs.artifacts.items():
            chosen = [(one.producer_subtask, one.output_artifact_key) for one in output.artifact_selectors]
            outputs[name] = [found for task, key in chosen for found in done[task].artifacts[key]]
        return Values({}, outputs)

    def _task(self, name: str, task: spec.PipelineTaskSpec, scope: Values, done: dict[str, Values]) -> Values:
        component = self._pipeline.components[task.component_ref.name]
        assert not task.HasField("trigger_policy"), "no rule for conditions here"
        parameters, artifacts = {}, {}
        for key, source in task.inputs.parameters.items():
            match source.WhichOneof("kind"):
                case "runtime_value":
                    parameters[key] = Value()
                    parameters[key].CopyFrom(source.runtime_value.constant)
                    if parameters[key].HasField("string_value"):
                        known = parameters[key].string_value.replace("{{$.workspace_path}}", WORKSPACE)
                        parameters[key].string_value = known
                case "component_input_parameter":
                    parameters[key] = scope.parameters[source.component_input_parameter]
                case other:
                    raise NotImplementedError(other)
        for key, source in task.inputs.artifacts.items():
            if source.WhichOneof("kind") == "component_input_artifact":
                artifacts[key] = scope.artifacts[source.component_input_artifact]
            else:
                origin = source.task_output_artifact
                artifacts[key] = done[origin.producer_task].artifacts[origin.output_artifact_key]
        if not task.HasField("parameter_iterator"):
            return self._component(name, component, Values(parameters, artifacts))
        items = task.parameter_iterator.items
        made = []
        for item in parameters[items.input_parameter].list_value.values:
            parameters[task.parameter_iterator.item_input] = item
            made.append(self._component(name, component, Values(dict(parameters), artifacts)))
        return Values({}, {key: [one for each in made for one in each.artifacts[key]] for key in made[0].artifacts})

    def _launch(self, task: str, component: spec.ComponentSpec, container: Any, given: Values) -> Values:
        described = self._described(task, component, given)
        pod = self.folder / "pods" / f"{len(self.launches)}-{task}"
        for mount in (*MOUNTS.values(), "tmp"):
            (pod / mount).mkdir(parents=True)
        for listed in described.inputs.artifacts.values():
            for artifact in listed.artifacts:
                self._download(artifact.uri, pod)
        places = [local_path(listed.artifacts[0].uri, pod) for listed in described.outputs.artifacts.values()]
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.folder / "workspace", pod, *pod.rglob("*")):
                os.chown(path, USER, USER)
        mounts = [f"--mount=type=bind,source={pod / mount},target=/{mount}" for mount in (*MOUNTS.values(), "tmp")]
        mounts += self._mounts(component.executor_label, given)
        env = [f"--env={variable.name}={variable.value}" for variable in container.env]
        words = ["docker", "run", *LEAST, *mounts, *env, container.image, *command(container, described)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{task}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"
        file = pod / OUTPUT_FILE.lstrip("/")
        self.launches.append(Launch(task, described, pod, file.read_text() if file.exists() else "{}"))
        return self._published(self.launches[-1])

    def _described(self, task: str, component: spec.ComponentSpec, given: Values) -> spec.ExecutorInput:
        described = spec.ExecutorInput()
        for name, value in given.parameters.items():
            described.inputs.parameter_values[name].CopyFrom(value)
        for name, listed in given.artifacts.items():
            described.inputs.artifacts[name].artifacts.extend(listed)
        root = f"{next(self._roots)}/{task}/{uuid.uuid4()}"
        for name, definition in component.output_definitions.artifacts.items():
            described.outputs.artifacts[name].artifacts.add(
                name=name, uri=f"{root}/{name}", type=definition.artifact_type
            )
        assert not component.output_definitions.parameters, "no rule for output parameters here"
        described.outputs.output_file = OUTPUT_FILE
        return described

    def _download(self, uri: str, pod: Path) -> None:
        stored, local = local_path(uri, self.stores), local_path(uri, pod)
        if stored.is_dir():
            shutil.copytree(stored, local, dirs_exist_ok=True)
        elif stored.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(stored, local)

    def _published(self, launch: Launch) -> Values:
        said = json_format.Parse(launch.said, spec.ExecutorOutput())
        artifacts = {}
        for name, listed in launch.given.outputs.artifacts.items():
            (artifact,) = listed.artifacts
            made = spec.RuntimeArtifact()
            made.CopyFrom(artifact)
            if said.artifacts[name].artifacts:
                made.uri = said.artifacts[name].artifacts[0].uri or made.uri
                made.metadata.MergeFrom(said.artifacts[name].artifacts[0].metadata)
            if launch.output(name).exists():
                upload(launch.output(name), local_path(made.uri, self.stores))
            artifacts[name] = [made]
        return Values({}, artifacts)

"""Walks through a compiled pipeline as the drivers of a run do, and finds out for each container what its pod is.

Reads with kfp's own protocol buffers, and nothing of ours. Whoever runs the pods says what came of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster import cachekey, inputs, store
from tests.cluster.compiled import documents
from tests.cluster.inputs import WORKSPACE, Values
from tests.cluster.metadata import Artifacts, Metadata, through_dag
from tests.cluster.pods import LOG, Pod, Run
from tests.cluster.text import fill_by_driver, fill_by_launcher
from tests.cluster.versions import RefusedError, Version


class Driver:
    """The drivers of a run.

    Args:
        compiled: the pipeline.
        version: of the back end.
        run: the run.
        execute: runs a pod and returns its output artifacts.
    """

    def __init__(self, compiled: str, version: Version, run: Run, execute: Callable[[Pod], Artifacts]) -> None:
        document, kubernetes = documents(compiled)
        self._pipeline = json_format.ParseDict(document, spec.PipelineSpec())
        self._deployment = json_format.ParseDict(document["deploymentSpec"], spec.PipelineDeploymentConfig())
        self._settings = kubernetes.get("deploymentSpec", {}).get("executors", {})
        self._version, self._run, self._execute = version, run, execute
        self._metadata = Metadata()
        self._salts = itertools.count(1)
        roots = itertools.cycle(run.roots)
        base = f"{self._pipeline.pipeline_info.name}/{run.id}"
        self._roots = {name: f"{next(roots).rstrip('/')}/{base}" for name in self._pipeline.components}
        self.where = ""

    def walk(self, parameters: dict[str, Any]) -> None:
        """Goes through the pipeline.

        What the run does not say is the pipeline's default; what has none is nothing.

        Source: compiler/argocompiler/argo.go, Compile; driver/root_dag.go, RootDAG.

        Raises:
            RefusedError: a driver refuses a DAG; `where` is its path.
        """
        given = {name: json_format.ParseDict(value, Value()) for name, value in parameters.items()}
        for name, definition in self._pipeline.root.input_definitions.parameters.items():
            if definition.HasField("default_value"):
                given.setdefault(name, definition.default_value)
            elif definition.is_optional:
                given.setdefault(name, Value(null_value=0))
        self._dag("", self._pipeline.root, Values(given, {}))

    def _dag(self, path: str, component: spec.ComponentSpec, given: Values) -> Artifacts:
        scope = Values(given.parameters, through_dag(given.artifacts))
        tasks = component.dag.tasks
        done: dict[str, Artifacts] = {}
        for name in TopologicalSorter({name: list(one.dependent_tasks) for name, one in tasks.items()}).static_order():
            made = self._task(f"{path}/{name}".removeprefix("/"), name, tasks[name], scope, done)
            done[self._recorded_as(name, tasks[name])] = made
        outputs: Artifacts = {}
        for name, output in component.dag.outputs.artifacts.items():
            (selector,) = output.artifact_selectors
            outputs[name] = done[selector.producer_subtask][selector.output_artifact_key]
        return outputs

    def _task(
        self, path: str, name: str, task: spec.PipelineTaskSpec, scope: Values, done: dict[str, Artifacts]
    ) -> Artifacts:
        component = self._pipeline.components[task.component_ref.name]
        assert not task.HasField("trigger_policy"), "no rule for conditions here"
        assert not task.HasField("artifact_iterator"), "nor has Kubeflow for loops over artifacts"
        self.where = path
        executor = self._deployment.executors[component.executor_label]
        if executor.HasField("container"):
            return self._container(path, name, task, scope, done)
        if executor.HasField("importer"):
            return self._import(component, executor.importer, task, scope)
        given = Values(
            inputs.parameters(task, component, scope, self._known(name)), inputs.artifacts(task, scope, done)
        )
        if not task.HasField("parameter_iterator"):
            return self._dag(path, component, given)
        made = [
            self._dag(f"{path}/{index}", component, one)
            for index, one in enumerate(_iterations(task, component, given))
        ]
        return {name: [one for each in made for one in each[name]] for name in made[0]}

    def _recorded_as(self, name: str, task: spec.PipelineTaskSpec) -> str:
        """The name under which what a task made is looked up; of an importer the one for people.

        Source: component/importer_launcher.go, Execute.
        """
        executor = self._deployment.executors[self._pipeline.components[task.component_ref.name].executor_label]
        return task.task_info.name if executor.HasField("importer") else name

    def _known(self, task: str) -> dict[str, str]:
        return {
            "{{$.pipeline_job_resource_name}}": self._run.name,
            "{{$.pipeline_job_uuid}}": self._run.id,
            "{{$.pipeline_task_name}}": task,
        }

    def _import(
        self, component: spec.ComponentSpec, importer: Any, task: spec.PipelineTaskSpec, scope: Values
    ) -> Artifacts:
        """Source: component/importer_launcher.go, ImportSpecToMLMDArtifact."""
        (output,) = component.output_definitions.artifacts
        uri = importer.artifact_uri.constant.string_value
        if importer.artifact_uri.runtime_parameter:
            source = task.inputs.parameters[importer.artifact_uri.runtime_parameter].component_input_parameter
            if source not in scope.parameters:
                raise RefusedError(f"error resolving artifact URI: parent DAG does not have input parameter {source}")
            uri = scope.parameters[source].string_value
        if not uri:
            raise RefusedError(
                f"empty artifact URI runtime value for parameter {importer.artifact_uri.runtime_parameter}"
            )
        artifact = spec.RuntimeArtifact(uri=uri, metadata=importer.metadata)
        session = {"Provider": store.provider(uri), "Params": {"fromEnv": "true"}}
        return {output: [self._metadata.imported(output, artifact, session)]}

    def _container(
        self, path: str, name: str, task: spec.PipelineTaskSpec, scope: Values, done: dict[str, Artifacts]
    ) -> Artifacts:
        component = self._pipeline.components[task.component_ref.name]
        container = self._deployment.executors[component.executor_label].container
        root = store.pipeline_root(self._roots[task.component_ref.name])
        given = launched = spec.ExecutorInput()
        found: dict[str, Any] = {}
        try:
            for key, value in inputs.parameters(task, component, scope, self._known(name)).items():
                given.inputs.parameter_values[key].CopyFrom(value)
            for key, listed in inputs.artifacts(task, scope, done).items():
                given.inputs.artifacts[key].artifacts.extend(listed)
            self._provision(given, component, f"{self._roots[task.component_ref.name]}/{name}")
            found["mounts"] = list(self._mounts(component.executor_label, given))
            if task.caching_options.enable_cache:
                claims = [mount["claim"] for mount in found["mounts"] if "claim" in mount]
                found["cache_key"] = cachekey.cache_key(component, container, given, claims)
                found["fingerprint"] = cachekey.fingerprint(found["cache_key"])
                if task.caching_options.cache_key and self._version.own_cache_key:
                    found["fingerprint"] = cachekey.own(task.component_ref.name, task.caching_options.cache_key)
            found["resources"] = _resources(container.resources)
            launched = self._launched(component, given)
            found |= self._words(container, given, launched)
            found["buckets"] = store.check_inputs(given.inputs.artifacts, root, self._version)
        except RefusedError as error:
            found["refused"] = str(error)
        env = {variable.name: variable.value for variable in container.env}
        pod = Pod(path, name, root, given, launched, container.image, env, **found)
        session = {"Provider": root.scheme.removesuffix("://")}
        return {
            key: [self._metadata.record(key, one, session) for one in listed]
            for key, listed in sorted(self._execute(pod).items())
        }

    def _provision(self, given: spec.ExecutorInput, component: spec.ComponentSpec, base: str) -> None:
        """Plans where outputs will lie, and the file in which the container says what is in them.

        Source: driver/driver.go, provisionOutputs.
        """
        task_root = f"{base}/salt-{next(self._salts)}"
        kinds = {name: one.artifact_type for name, one in component.output_definitions.artifacts.items()}
        if self._run.publish_logs:
            kinds[LOG] = spec.ArtifactTypeSchema(schema_title="system.Artifact")
        for name, kind in kinds.items():
            given.outputs.artifacts[name].artifacts.add(name=name, uri=f"{task_root}/{name}", type=kind)
        for name in component.output_definitions.parameters:
            given.outputs.parameters[name].output_file = f"/tmp/kfp/outputs/{name}"
        given.outputs.output_file = str(store.local_path(task_root) / "output_metadata.json")

    def _launched(self, component: spec.ComponentSpec, given: spec.ExecutorInput) -> spec.ExecutorInput:
        """What the driver handed over, with the component's defaults, and the name of the first attempt's log.

        Source: component/launcher_v2.go, executeV2, addDefaultParams and, 2.16.1, qualifyExecutorLogsForRetry.
        """
        launched = spec.ExecutorInput()
        launched.CopyFrom(given)
        for name, definition in component.input_definitions.parameters.items():
            if definition.HasField("default_value") and name not in given.inputs.parameter_values:
                launched.inputs.parameter_values[name].CopyFrom(definition.default_value)
        if self._version.log_by_attempt and LOG in launched.outputs.artifacts:
            launched.outputs.artifacts[LOG].artifacts[0].uri += "-0"
        return launched

    def _words(self, container: Any, given: spec.ExecutorInput, launched: spec.ExecutorInput) -> dict[str, list[str]]:
        """The words after driver and launcher.

        A component's defaults are added by the launcher. In 2.17.0 the driver, which knows nothing of them, fills
        words in first; since PR 14175 it adds them for that.

        Source: driver/driver.go, initPodSpecPatch, 2.15.0 and 2.17.0; component/launcher_v2.go, executeV2; PR 14175.
        """
        words = {"driver_words": [*container.command, *container.args]}
        if self._version.driver_fills_words:
            known = launched if self._version.defaults_before_driver else given
            words["driver_words"] = fill_by_driver(words["driver_words"], dict(known.inputs.parameter_values))
        return words | {"words": fill_by_launcher(words["driver_words"], launched)}

    def _mounts(self, label: str, given: spec.ExecutorInput) -> Iterator[dict[str, str]]:
        """The workspace, of which a parameter that is passed speaks, and what the platform's settings name.

        Source: driver/driver.go, needsWorkspaceMount and getWorkspaceMount; driver/k8s.go, GetWorkspacePVCName and
        extendPodSpecPatch.
        """
        texts = [value.string_value for value in given.inputs.parameter_values.values()]
        if any(WORKSPACE in text or "{{$.workspace_path}}" in text for text in texts):
            yield {"name": "kfp-workspace", "mountPath": WORKSPACE, "claim": f"{self._run.name}-kfp-workspace"}
        settings = self._settings.get(label, {})
        assert not settings.keys() - {"emptyDirMounts", "imagePullSecret", "tolerations"}, "no rule for others here"
        for mount in settings.get("emptyDirMounts", []):
            if mount["mountPath"].startswith(WORKSPACE):
                raise RefusedError(f"user volume mount at {mount['mountPath']} conflicts with workspace mount")
            yield {"name": mount["volumeName"]} | {key: mount[key] for key in ("mountPath", "medium", "sizeLimit")}


def _iterations(task: spec.PipelineTaskSpec, component: spec.ComponentSpec, given: Values) -> Iterator[Values]:
    """What each iteration of a loop is given: the loop's inputs, and the item for the list.

    Source: driver/resolve.go, resolveInputs, for an iteration driver.
    """
    source = task.parameter_iterator.items.input_parameter
    left = through_dag(given.artifacts)
    for item in inputs.items(task, given.parameters):
        passed = {name: value for name, value in given.parameters.items() if name != source}
        passed[task.parameter_iterator.item_input] = item
        yield Values(inputs.checked(passed, component, {source}), left)


def _resources(asked: Any) -> dict[str, dict[str, str]]:
    """Limits and requests as text.

    Source: driver/driver.go, initPodSpecPatch.
    """
    limits = {"cpu": asked.resource_cpu_limit, "memory": asked.resource_memory_limit}
    kind = asked.accelerator.resource_type or asked.accelerator.type
    if kind:
        limits[kind] = asked.accelerator.resource_count or str(asked.accelerator.count)
    requests = {"cpu": asked.resource_cpu_request, "memory": asked.resource_memory_request}
    return {
        "limits": {name: amount for name, amount in limits.items() if amount},
        "requests": {name: amount for name, amount in requests.items() if amount},
    }

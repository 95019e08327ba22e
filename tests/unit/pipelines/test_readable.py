"""The compiled pipeline as Kubeflow's pages draw it."""

from __future__ import annotations

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kubeflow

from pipelines.compile import DEFAULT_OUTPUT

DOCUMENT, *_ = yaml.safe_load_all(DEFAULT_OUTPUT.read_text())
SPEC = json_format.ParseDict(DOCUMENT, kubeflow.PipelineSpec())
DAGS = [component.dag for component in (SPEC.root, *SPEC.components.values()) if component.HasField("dag")]


def before(name, tasks):
    """The tasks that must be done before one, directly or not."""
    waits = tasks[name].dependent_tasks
    return {*waits, *(one for other in waits for one in before(other, tasks))}


def test_no_name_is_one_that_the_compiler_made_up():
    assert "pipelinechannel" not in DEFAULT_OUTPUT.read_text()


def test_no_task_waits_for_whom_a_predecessor_waits_for_and_all_still_wait_for_whom_they_read():
    for dag in DAGS:
        for name, task in dag.tasks.items():
            waits = list(task.dependent_tasks)
            implied = {one for other in waits for one in before(other, dag.tasks)}
            assert not implied & set(waits), name
            read = {one.task_output_artifact.producer_task for one in task.inputs.artifacts.values()} - {""}
            assert read <= before(name, dag.tasks), name


def test_an_importer_is_looked_up_by_the_name_that_a_cluster_records_it_under():
    """A server up to 2.17 records an importer by its display name, and its readers look for the task's key."""
    executors = DOCUMENT["deploymentSpec"]["executors"]
    importers = {
        name: task.task_info.name
        for dag in DAGS
        for name, task in dag.tasks.items()
        if "importer" in executors.get(SPEC.components[task.component_ref.name].executor_label, {})
    }
    assert importers == {"photos": "photos"}


def test_lists_of_artifacts_go_to_tasks_and_to_no_pipeline_inside_the_pipeline():
    """Of a list that is the input of a loop or an inner pipeline, a server up to 2.17 keeps the last artifact only."""
    for dag in DAGS:
        for name, task in dag.tasks.items():
            component = SPEC.components[task.component_ref.name]
            lists = [key for key, one in component.input_definitions.artifacts.items() if one.is_artifact_list]
            assert not (component.HasField("dag") and lists), name

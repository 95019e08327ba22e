"""What depends on the server's version, which it says with its health: an old one is refused, a new one told more."""

from __future__ import annotations

import pytest
import yaml

from pipelines.cluster.retries import for_server
from pipelines.compile import DEFAULT_OUTPUT
from tests.stages import TASKS
from tests.submit.test_submit import tasks_in, tasks_of

COMPILED = {"maxRetryCount": 3, "backoffDuration": "10s", "backoffFactor": 2.0, "backoffMaxDuration": "604800s"}


@pytest.mark.parametrize("tag", ["2.14.4", "2.0.5", "v2.5.0", "1.8.22"])
@pytest.mark.parametrize("by_its_pages", [False, True])
def test_a_server_that_cannot_run_the_pipeline_is_told_before_anything_is_sent(
    kubeflow, submit, capsys, tag, by_its_pages
):
    kubeflow.tag, kubeflow.by_its_pages = tag, by_its_pages
    assert submit() == 2
    error = capsys.readouterr().err
    number = ".".join(tag.removeprefix("v").split(".")[:2])
    assert f"Kubeflow Pipelines is too old for this pipeline.\nReceived: {kubeflow.host}: {number}\n" in error
    assert "It has to be 2.15 or later." in error
    assert not kubeflow.changes()


@pytest.mark.parametrize("tag", ["2.15.0", "2.17.0", "unknown", "20261126-f00"])
def test_before_2_18_and_where_nobody_knows_the_file_is_sent_as_it_was_compiled(kubeflow, submit, tag):
    kubeflow.tag = tag
    assert submit() == 0
    assert list(yaml.load_all(kubeflow.files[0], yaml.CSafeLoader)) == list(
        yaml.load_all(DEFAULT_OUTPUT.read_text(), yaml.CSafeLoader)
    )


@pytest.mark.parametrize("tag", ["2.18.1", "2.20.0-rc.1", "3.0.0"])
@pytest.mark.parametrize("by_its_pages", [False, True])
def test_since_2_18_every_task_is_tried_again_when_its_pod_is_lost(kubeflow, submit, tmp_path, tag, by_its_pages):
    kubeflow.tag, kubeflow.by_its_pages, kubeflow.knows_policies = tag, by_its_pages, True
    documents = list(yaml.load_all(DEFAULT_OUTPUT.read_text(), yaml.CSafeLoader))
    for name, task in tasks_of(documents[0]).items():
        task.pop("retryPolicy", None)
        if name == "mine-and-train":  # the one that the compiled file gives further attempts
            task["retryPolicy"] = COMPILED
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper))
    assert submit("--pipeline", str(file)) == 0
    policies = {name: task.get("retryPolicy", {}).get("policy") for name, task in tasks_in(kubeflow.files[0]).items()}
    assert policies.pop("mine-and-train") == "POLICY_ALWAYS"
    assert {policies.pop(name) for name in ("photos", "extraction", "for-loop-1")} == {None}
    assert set(policies.values()) == {"POLICY_ON_ERROR"} and len(policies) == len(TASKS) - 1
    sent = tasks_in(kubeflow.files[0])
    assert sent["mine-and-train"]["retryPolicy"] == {**COMPILED, "policy": "POLICY_ALWAYS"}
    assert sent["collect"]["retryPolicy"]["maxRetryCount"] == 3


def test_a_server_that_does_not_know_policies_all_the_same_gets_the_file_without(kubeflow, submit):
    kubeflow.tag = "2.18.0"
    assert submit() == 0
    (file,) = kubeflow.files
    assert "POLICY" not in file
    assert (
        kubeflow.runs[0]["pipeline_version_reference"]["pipeline_version_id"]
        == (kubeflow.versions[0]["pipeline_version_id"])
    )


@pytest.mark.parametrize("version", [None, (2, 15), (2, 17)])
def test_a_server_that_cannot_be_told_gets_what_was_compiled(version):
    assert for_server(version, None) is None
    assert for_server(version, COMPILED) == COMPILED

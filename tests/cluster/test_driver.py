"""That driver and launcher, as they are imitated here, notice what a release of Kubeflow does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.pods import LOG, Run
from tests.cluster.records import records
from tests.cluster.small import PHOTOS, compile_loop, compile_one, edited, only
from tests.cluster.versions import SUPPORTED

ALL = {
    "count": 20,
    "rate": 1e-05,
    "ready": True,
    "text": "x",
    "names": ["b", "<a>"],
    "table": {"b": 0.5, "a": [1, True]},
}
TEXTS = ["--count=20", "--photos", "/gcs/our-photos/people", "20", "0.00001", "true", "x", '["b","\\u003ca\\u003e"]']
PASSED = ("root", "dag", "tasks", "work", "inputs", "parameters")
DEFAULT = ("components", "comp-work", "inputDefinitions", "parameters", "count", "defaultValue")


@pytest.fixture(scope="module")
def passing_nothing(tmp_path_factory) -> str:
    """A pipeline that leaves every parameter to the component."""
    return compile_one(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def passing_all(tmp_path_factory) -> str:
    """A pipeline that passes them all."""
    return compile_one(tmp_path_factory.mktemp("small"), **ALL)


@pytest.mark.parametrize("version", SUPPORTED)
def test_parameters_as_text(version, passing_all):
    words = only(passing_all, version)["words"]
    numbers = [word if word != "0.00001" or version < "2.17" else "1e-05" for word in TEXTS]
    assert words[:-1] == ["work", *numbers, '{"a":[1,true],"b":0.5}']
    assert words[-1] == "/minio/mlpipeline/v2/artifacts/small/run/work/salt-1/result"


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_parameter_that_is_not_passed_is_refused_by_one_release(version, passing_nothing, passing_all):
    record = only(passing_nothing, version)
    if version == "2.17.0":
        assert record["refused"] == (
            'failed to resolve input parameters: parameter "count" not found in executor input'
        )
    else:
        assert record["refused"] is None
        assert record["words"] == only(passing_all, version)["words"]


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_default_is_no_part_of_the_cache_key(version, passing_nothing, passing_all):
    for text in (passing_nothing, passing_all):
        other = edited(text, 21.0, *DEFAULT)
        assert only(text, version)["fingerprint"] == only(other, version)["fingerprint"]
    if version != "2.17.0":
        assert (
            only(passing_nothing, version)["words"] != only(edited(passing_nothing, 21.0, *DEFAULT), version)["words"]
        )
    assert only(passing_all, version)["words"] == only(edited(passing_all, 21.0, *DEFAULT), version)["words"]


def test_the_cache_key_has_image_words_parameters_artifacts_and_outputs(passing_all, tmp_path):
    key = only(passing_all, "2.17.0")["cache_key"]
    words = key["containerSpec"]["cmdArgs"]
    assert words[1] == "--count={{$.inputs.parameters['count']}}"
    assert {name: key[name] for name in key if name not in {"containerSpec", "outputArtifactsSpec"}} == {
        "inputArtifactNames": {"photos": {"artifactNames": ["1"]}},
        "inputParameterValues": ALL,
    }
    assert key["outputArtifactsSpec"] == {
        LOG: {"name": LOG, "type": {"schemaTitle": "system.Artifact"}},
        "result": {"name": "result", "type": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}},
    }
    changed = [
        edited(passing_all, "other", "deploymentSpec", "executors", "exec-work", "container", "image"),
        edited(passing_all, ["other"], "deploymentSpec", "executors", "exec-work", "container", "args"),
        compile_one(tmp_path, **ALL | {"text": "y"}),
    ]
    found = {only(text, "2.17.0")["fingerprint"] for text in (passing_all, *changed)}
    assert len(found) == 4
    # Not the URI: the artifact's number stands for it.
    assert only(passing_all, "2.17.0", "s3://elsewhere/people")["cache_key"] == key


def test_the_fingerprint_is_kubeflows(passing_all):
    """The value was made in Go: by Kubeflow's message CacheKey of 2.17.0, and the steps of GenerateFingerPrint."""
    record = only(passing_all, "2.17.0", run=Run(publish_logs=False))
    assert record["fingerprint"] == "7f8f15795b01cfc48bb06e475f6c1ebd5c50cfc0931fa7b15ebe35dc23155c21"


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_workspace_is_a_place_in_a_parameter_and_its_claim_in_the_cache_key(version, passing_all):
    text = edited(passing_all, "{{$.workspace_path}}/training", *PASSED, "text", "runtimeValue", "constant")
    record = only(text, version)
    assert "/kfp-workspace/training" in record["words"]
    assert record["mounts"] == [
        {"name": "kfp-workspace", "mountPath": "/kfp-workspace", "claim": "facenet-x-kfp-workspace"}
    ]
    assert record["cache_key"]["containerSpec"]["pvcNames"] == ["facenet-x-kfp-workspace"]
    assert only(text, version, run=Run(name="other"))["fingerprint"] != record["fingerprint"]


def test_a_workspace_in_a_default_is_not_known(passing_nothing):
    text = edited(passing_nothing, "{{$.workspace_path}}", *DEFAULT[:-2], "text", "defaultValue")
    record = only(text, "2.17.1")
    assert record["mounts"] == []
    assert "{{$.workspace_path}}" in record["words"]


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("", "empty artifact URI runtime value for parameter uri"),
        ("/home/ada/photos", "no provider scheme found in artifact URI: /home/ada/photos"),
        ("https://example.org/photos", "no provider scheme found in artifact URI: https://example.org/photos"),
    ],
)
def test_an_importer_refuses(version, uri, text, passing_all):
    (record,) = records(passing_all, version, {"photos": uri})
    assert record == {"task": "importer", "refused": text}


@pytest.mark.parametrize("version", SUPPORTED)
def test_an_importer_by_another_name_for_people_is_not_found(version, passing_all):
    changed = edited(passing_all, "photos", "root", "dag", "tasks", "importer", "taskInfo", "name")
    assert only(changed, version)["refused"] == 'cannot find producer task "importer"'


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("uri", ["gs://our-photos", "gs://our-photos/"])
def test_a_bucket_without_a_folder_is_refused_where_it_is_read(version, uri, passing_all):
    assert only(passing_all, version, uri)["refused"] == (
        f'failed to download input artifact "photos" from remote storage URI "{uri}": '
        f'URI "{uri}" has empty key given prefixed bucket "gs://our-photos"'
    )


@pytest.mark.parametrize("version", SUPPORTED)
def test_another_minio_bucket_cannot_be_opened_before_2_17(version, passing_all):
    record = only(passing_all, version, "minio://ours/people")
    if version < "2.17":
        assert 'no driver registered for "minio"' in record["refused"]
    else:
        assert record["buckets"] == {"photos": ["environment"]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("many", 'input parameter "count" type mismatch: expect NUMBER_INTEGER, got string'),
        (None, 'got null for input parameter "count"'),
    ],
)
def test_a_value_of_another_type_is_refused(value, text, passing_all):
    changed = edited(passing_all, value, *PASSED, "count", "runtimeValue", "constant")
    assert text in (only(changed, "2.17.0")["refused"] or "nothing was refused")


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("nested", [False, True])
def test_of_a_list_that_goes_into_a_pipeline_only_the_last_artifact_is_left(version, nested, tmp_path):
    text = compile_loop(tmp_path, nested)
    *made, last = records(text, version, {"photos": PHOTOS, "items": ["a", "b", "c"]})
    assert [record["task"] for record in made] == [f"for-loop-1/{index}/work" for index in range(3)]
    assert [record["executor_input"]["inputs"]["parameterValues"]["text"] for record in made] == ["a", "b", "c"]
    uris = [record["executor_input"]["outputs"]["artifacts"]["result"]["artifacts"][0]["uri"] for record in made]
    given = last["executor_input"]["inputs"]["artifacts"]["found"]["artifacts"]
    assert [one["uri"] for one in given] == (uris[-1:] if nested else uris)


@pytest.mark.parametrize(
    ("items", "text"),
    [([], "nothing to iterate over"), (5, "type mismatch: expect LIST, got number")],
)
def test_a_loop_needs_a_list_with_something_in_it(items: Any, text: str, tmp_path):
    (record,) = records(compile_loop(tmp_path, False), "2.17.1", {"photos": PHOTOS, "items": items})
    assert text in record["refused"]

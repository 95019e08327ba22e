"""What Kubeflow's launcher says of a task's inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.common.errors import UsageError
from components.common.executor import inputs


def described(*uris):
    artifacts = [{"name": "faces", "uri": uri, "metadata": {}} for uri in uris]
    return json.dumps({"inputs": {"artifacts": {"faces": {"artifacts": artifacts}}}, "outputs": {}})


# backend/src/v2/component/launcher_v2.go of kubeflow/pipelines, LocalPathForURI; without a scheme: kfp.local and ours
@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://bucket/a/faces", "/gcs/bucket/a/faces"),
        ("s3://bucket/a/faces", "/s3/bucket/a/faces"),
        ("minio://mlpipeline/v2/artifacts/x/faces", "/minio/mlpipeline/v2/artifacts/x/faces"),
        ("oci://registry.example/team/model:1", "/oci/registry.example_team_model:1/models"),
        ("/runs/1/extract/faces", "/runs/1/extract/faces"),
    ],
)
def test_an_input_lies_where_the_launcher_put_it(uri, path):
    assert inputs(described(uri), "faces", (), "-i FACES") == (Path(path),)


def test_every_artifact_of_a_list_is_found_in_its_order():
    text = described("minio://b/2", "minio://b/1")
    assert inputs(text, "faces", (), "-i FACES") == (Path("/minio/b/2"), Path("/minio/b/1"))


def test_what_a_person_gives_goes_before_it():
    assert inputs(described("minio://b/2"), "faces", (Path("x"),), "-i FACES") == (Path("x"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"(?s)There is nothing to read.*-i FACES"),
        (described("ftp://x/y"), "not known here"),
        ("{}", "not Kubeflow's description"),
        ("[", "not Kubeflow's description"),
        (json.dumps({"inputs": {"artifacts": {"faces": None}}}), "not Kubeflow's description"),
    ],
)
def test_an_input_that_nobody_names_is_wrong_use(text, message):
    with pytest.raises(UsageError, match=message):
        inputs(text, "faces", (), "-i FACES")

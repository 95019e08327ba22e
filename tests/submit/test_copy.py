"""A copy of the photos tells the cluster what they are, so that it can answer the training from its cache."""

from __future__ import annotations

import pytest

from components.extract.contents import sha256_of
from pipelines.compile import SOURCE_OUTPUT
from pipelines.submit import main
from tests.submit.conftest import PHOTOS
from tests.submit.test_submit import tasks_in


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "photos" / "Ada").mkdir(parents=True)
    (tmp_path / "photos" / "Ada" / "1.jpg").write_bytes(b"a photo")
    return tmp_path / "photos"


def contents_in(file):
    return tasks_in(file)["extract"]["inputs"]["parameters"]["contents"]["runtimeValue"]["constant"]


def test_the_file_holds_its_values_and_the_training_s_key_and_is_the_same_next_time(kubeflow, submit, copy, capsys):
    kubeflow.tag, kubeflow.knows_policies = "2.18.0", True
    for _ in range(2):
        assert submit("--copy", str(copy), "--set", "rounds=7") == 0
    assert [run["runtime_config"]["parameters"] for run in kubeflow.runs] == [{}, {}]
    (file,) = kubeflow.files
    assert contents_in(file) == sha256_of(copy)
    tasks = tasks_in(file)
    assert len(tasks["mine-and-train"]["cachingOptions"]["cacheKey"]) == 64
    assert tasks["mine-and-train"]["inputs"]["parameters"]["rounds"] == {"runtimeValue": {"constant": 7}}
    assert PHOTOS in file and "2.18" not in capsys.readouterr().err
    (copy / "Ada" / "1.jpg").write_bytes(b"another photo")
    assert submit("--copy", str(copy), "--set", "rounds=7") == 0
    found = [tasks_in(file)["mine-and-train"]["cachingOptions"]["cacheKey"] for file in kubeflow.files]
    assert len(set(found)) == 2


def test_an_older_cluster_compares_the_photos_and_trains_anew(kubeflow, submit, copy, capsys):
    kubeflow.tag = "2.17.0"
    assert submit("--copy", str(copy)) == 0
    (file,) = kubeflow.files
    assert contents_in(file) == sha256_of(copy) and "cacheKey" not in file
    assert "answers no training from its cache: Kubeflow Pipelines 2.18 does" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        ["--cron", "@daily"],
        ["--set", "pretrained=s3://bucket/weights.h5"],
        ["--set", "teacher=s3://bucket/model.tflite"],
        ["--pipeline", str(SOURCE_OUTPUT)],
    ],
)
def test_where_something_else_may_change_a_copy_is_refused(kubeflow, copy, capsys, more):
    assert main(["--host", kubeflow.host, "-i", PHOTOS, "--copy", str(copy), *more]) == 2
    assert "does not tell all that this training depends on" in capsys.readouterr().err
    assert not kubeflow.arrived

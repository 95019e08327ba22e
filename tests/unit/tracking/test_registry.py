"""A run's network in Kubeflow's Model Registry: what is sent is as the published API wants it."""

import hashlib
import json

import pytest

from pipelines.cli import main
from tests.ui.records import run_of, task_of
from tests.unit.tracking.registry import Registry, problems

ID = "20260101-000000-000"


@pytest.fixture
def registry():
    one = Registry()
    one.start()
    yield one
    one.stop()
    assert not one.wrong


@pytest.fixture
def runs(tmp_path):
    model = tmp_path / ID / "export" / "model"
    model.mkdir(parents=True)
    (model / "facenet-int8.tflite").write_bytes(b"a network")
    (model / "export.json").write_text('{"best": "facenet-int8.tflite"}')
    export = task_of("export", {"model": ("system.Model", f"{ID}/export/model")}, metrics={"int8_bytes": 9})
    evaluate = task_of("evaluate", metrics={"accuracy": 0.9, "better_than_chance": 1})
    run_of(
        tmp_path,
        ID,
        evaluate,
        export,
        parameters={"photos": "/photos", "rounds": 3},
        metrics={"evaluate": evaluate.metrics},
    )
    return tmp_path


def published(runs, registry, *more):
    return main(["publish", ID, "--runs", str(runs), "--model-registry", registry.address, *more])


def test_the_network_becomes_a_version_with_its_numbers_and_its_file(runs, registry, capsys):
    main(["note", ID, "for the demo", "--tag", "demo", "--runs", str(runs)])
    assert published(runs, registry) == 0
    assert f"version {ID} of the model facenet at {registry.address}" in capsys.readouterr().out
    (model,), (version,), (artifact,) = map(
        registry.of, ("RegisteredModelCreate", "ModelVersionCreate", "ModelArtifact")
    )
    assert model["body"]["name"] == "facenet" and version["parent"] == model["body"]["id"]
    said = version["body"]["customProperties"]
    assert version["body"]["name"] == ID and version["body"]["description"] == "for the demo"
    assert said["evaluate/accuracy"] == {"metadataType": "MetadataDoubleValue", "double_value": 0.9}
    assert said["rounds"] == {"metadataType": "MetadataStringValue", "string_value": "3"}
    assert said["demo"] == {"metadataType": "MetadataStringValue", "string_value": ""}
    assert artifact["parent"] == version["body"]["id"]
    assert artifact["body"]["uri"] == (runs / ID / "export" / "model").as_uri()
    sha256 = hashlib.sha256(b"a network").hexdigest()
    assert artifact["body"]["customProperties"]["sha256"]["string_value"] == sha256


def test_it_is_registered_once_and_goes_on_after_a_lost_answer(runs, registry, capsys):
    registry.lose = "ModelVersionCreate"
    assert published(runs, registry) == 1
    assert "500 Internal Server Error: lost" in capsys.readouterr().err
    registry.lose = ""
    for _ in range(2):
        assert published(runs, registry) == 0
    assert [kind for kind, _ in registry.bodies] == [
        "RegisteredModelCreate",
        "ModelVersionCreate",
        "ModelArtifact",
    ]


def test_the_token_comes_from_its_file_and_goes_nowhere_else(runs, registry, tmp_path, monkeypatch, capsys):
    registry.token = "a-secret"
    assert published(runs, registry) == 1
    assert "401 Unauthorized: who are you?" in capsys.readouterr().err
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    assert published(runs, registry) == 2
    (tmp_path / "token").write_text("a-secret\n")
    assert published(runs, registry) == 0
    registry.refuses = 307  # to another place, which would get the token
    assert published(runs, registry) == 1
    said = capsys.readouterr()
    assert "307" in said.err and "a-secret" not in said.out + said.err


@pytest.mark.parametrize("address", ["registry", "ftp://registry", "https://", "https://me:secret@registry"])
def test_what_is_no_address_is_refused_before_a_run_begins(runs, address, capsys):
    photos = runs / "none"
    for command in (["publish", ID, "--runs", str(runs)], ["run", "--input", str(photos)]):
        assert main([*command, "--model-registry", address]) == 2
    assert "secret" not in capsys.readouterr().err


def test_one_that_is_away_or_something_else_is_said_to_be_so(runs, registry, capsys):
    assert published(runs, registry, "--model-registry", "http://127.0.0.1:9") == 1
    assert "did not take the network" in capsys.readouterr().err
    registry.find = lambda *_: (200, ["a page"])
    assert published(runs, registry) == 1
    registry.find = lambda *_: (200, {"a": "page"})
    assert published(runs, registry) == 1
    assert "does not answer as a Model Registry does" in capsys.readouterr().err


def test_a_run_without_a_network_and_one_that_goes_on_are_not_registered(runs, registry, capsys):
    run_of(runs, "20260102-000000-000", parameters={})
    assert main(["publish", "20260102-000000-000", "--runs", str(runs), "--model-registry", registry.address]) == 0
    assert "exported no network" in capsys.readouterr().out
    (runs / ID / "run.json").write_text(
        json.dumps(json.loads((runs / ID / "run.json").read_text()) | {"state": "running"})
    )
    (runs / ID / ".alive").mkdir()  # nobody can say that its runner ended
    assert published(runs, registry) == 2
    assert main(["publish", ID, "--runs", str(runs)]) == 2
    assert not registry.made


def test_the_check_of_what_is_sent_can_fail():
    good = {"name": "a", "registeredModelId": "1", "customProperties": {}}
    assert not problems("ModelVersionCreate", good)
    wrong = {"metadataType": "MetadataDoubleValue", "double_value": "0.9"}
    for change in (
        {"registeredModelId": 1},
        {"registeredModelId": "0"},
        {"name": ""},
        {"title": "x"},
        {"customProperties": {"x": wrong}},
    ):
        assert problems("ModelVersionCreate", good | change), change

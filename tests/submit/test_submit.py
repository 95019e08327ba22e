"""`facenet submit` against a cluster's API: what arrives there, and what is said here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import kfp
import pytest
import yaml

from pipelines.compile import DEFAULT_OUTPUT
from pipelines.submit import main
from tests.submit.conftest import PHOTOS

REPOSITORY = DEFAULT_OUTPUT.parent


def tasks_in(file: str) -> dict:
    """Every task of an uploaded pipeline by its name, those in loops too."""
    return tasks_of(next(yaml.load_all(file, yaml.CSafeLoader)))


def tasks_of(spec: dict) -> dict:
    dags = [component["dag"] for component in (spec["root"], *spec["components"].values()) if "dag" in component]
    return {name: task for dag in dags for name, task in dag["tasks"].items()}


def test_a_run_is_started_with_the_pipeline_and_every_parameter_in_its_type(kubeflow, submit, capsys):
    assert submit("--set", "rounds=7", "--run-name", "mine") == 0
    (run,) = kubeflow.runs
    assert run["display_name"] == "mine"
    assert run["runtime_config"]["parameters"]["photos"] == PHOTOS
    assert run["runtime_config"]["parameters"]["rounds"] == 7
    assert run["runtime_config"]["parameters"]["backbone"] == "inception_resnet_v2"
    assert "experiment_id" not in run
    (file,) = kubeflow.files
    sent, compiled = (list(yaml.load_all(text, yaml.CSafeLoader)) for text in (file, DEFAULT_OUTPUT.read_text()))
    assert sent == compiled
    assert kubeflow.pipelines[0]["description"] == compiled[0]["pipelineInfo"]["description"]
    out = capsys.readouterr().out
    assert f"Run mine: {kubeflow.host}/#/runs/details/{run['run_id']}\n" in out
    assert f"Pipeline facenet, version {kubeflow.versions[0]['display_name']}: uploaded\n" in out


def test_the_same_file_is_not_uploaded_twice(kubeflow, submit, capsys):
    assert submit() == submit("--set", "rounds=9") == 0
    assert len(kubeflow.pipelines) == len(kubeflow.versions) == len(kubeflow.files) == 1
    first, second = (run["pipeline_version_reference"] for run in kubeflow.runs)
    assert first == second
    assert "on the cluster already" in capsys.readouterr().out


def test_a_setting_of_a_task_is_a_constant_in_a_version_of_its_own(kubeflow, submit):
    assert submit() == submit("--set", "extract.margin=0.25", "--set", "mine-and-train.optimizer=adam") == 0
    assert len(kubeflow.pipelines) == 1
    assert len(kubeflow.versions) == 2
    tasks = tasks_in(kubeflow.files[1])
    assert tasks["extract"]["inputs"]["parameters"]["margin"] == {"runtimeValue": {"constant": 0.25}}
    assert tasks["mine-and-train"]["inputs"]["parameters"]["optimizer"] == {"runtimeValue": {"constant": "adam"}}
    assert kubeflow.runs[1]["description"] == "extract.margin=0.25, mine-and-train.optimizer=adam"


def test_shards_arrive_as_a_list_and_settings_reach_the_tasks_of_loops(kubeflow, submit):
    assert submit("--set", "shards=3", "--set", "extract.margin=0.25", "--no-cache") == 0
    assert kubeflow.runs[0]["runtime_config"]["parameters"]["shards"] == ["1/3", "2/3", "3/3"]
    spec = next(yaml.load_all(kubeflow.files[0], yaml.CSafeLoader))
    assert "extract" not in spec["root"]["dag"]["tasks"]  # it is inside a loop
    extract = tasks_in(kubeflow.files[0])["extract"]
    assert extract["inputs"]["parameters"]["margin"] == {"runtimeValue": {"constant": 0.25}}
    assert extract["cachingOptions"] == {"enableCache": False}


@pytest.mark.parametrize("recipe", ["laptop", "faces"])
def test_a_recipe_arrives_whole(kubeflow, submit, recipe):
    assert submit("--recipe", recipe) == 0
    content = yaml.safe_load((REPOSITORY / "pipelines" / "recipes" / f"{recipe}.yaml").read_text())
    tasks = tasks_in(kubeflow.files[0])
    for name, value in content["set"].items():
        task, _, key = name.rpartition(".")
        if task:
            assert tasks[task]["inputs"]["parameters"][key]["runtimeValue"]["constant"] == value, name
        else:
            assert kubeflow.runs[0]["runtime_config"]["parameters"][key] == value, name
    assert kubeflow.runs[0]["description"].startswith(f"recipe {recipe}; ")
    assert len(kubeflow.runs[0]["description"]) <= 255


def test_without_the_cache_no_task_may_be_answered_from_it(kubeflow, submit):
    assert submit("--no-cache") == 0
    assert {task["cachingOptions"]["enableCache"] for task in tasks_in(kubeflow.files[0]).values()} == {False}


def test_a_run_is_followed_to_its_end(kubeflow, submit, capsys):
    kubeflow.story = [
        ("PENDING", {}),
        ("RUNNING", {"photos": "SUCCEEDED", "extract": "RUNNING"}),
        ("RUNNING", {"photos": "SUCCEEDED", "extract": "RUNNING", "extract#2": "PENDING"}),
        ("RUNNING", {"photos": "SUCCEEDED", "extract": "SUCCEEDED", "extract#2": "RUNNING"}),
        ("SUCCEEDED", {"photos": "SUCCEEDED", "extract": "SUCCEEDED", "extract#2": "SUCCEEDED"}),
    ]
    assert submit("--wait") == 0
    lines = capsys.readouterr().out.splitlines()
    said = [
        line.split(maxsplit=1)[1] for line in lines[lines.index(next(x for x in lines if "runs/details" in x)) + 1 : -1]
    ]
    assert [" ".join(line.split()) for line in said] == [
        "photos succeeded",
        "extract running",
        "extract (2) pending",
        "extract succeeded",
        "extract (2) running",
        "extract (2) succeeded",
    ]
    assert lines[-1] == "The run succeeded after 12 min 04 s."


def test_a_failed_run_is_named_with_its_task_and_its_page(kubeflow, submit, capsys):
    kubeflow.story = [("RUNNING", {"extract": "RUNNING"}), ("FAILED", {"extract": "FAILED"})]
    assert submit("--wait") == 1
    error = capsys.readouterr().err
    assert "The run failed after 12 min 04 s.\n  extract failed: extract exited with code 1\n" in error
    assert f"{kubeflow.host}/#/runs/details/{kubeflow.runs[0]['run_id']}" in error


@pytest.mark.parametrize(("state", "word"), [("CANCELED", "was cancelled"), ("SKIPPED", "was skipped")])
def test_a_run_that_somebody_ended_is_no_success(kubeflow, submit, capsys, state, word):
    kubeflow.story = [("RUNNING", {}), (state, {})]
    assert submit("--wait") == 1
    assert f"The run {word}" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_when_stopped_the_run_goes_on_and_is_told_how_to_follow(kubeflow, number, code, tmp_path):
    kubeflow.story = [("RUNNING", {"extract": "RUNNING"})]
    flags = ["--host", kubeflow.host, "-i", PHOTOS, "--wait"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "submit", *flags],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "running" not in seen:
        seen = process.stdout.readline()
        assert seen
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    run = kubeflow.runs[0]["run_id"]
    assert process.returncode == code
    people, images = err.splitlines()
    assert people.startswith("The people are not counted") and images.startswith("Images without a registry's name")
    assert f"the run goes on. Its page: {kubeflow.host}/#/runs/details/{run}\n" in out
    assert f"kfp --endpoint {kubeflow.host} run get --watch {run}" in out


def test_a_recurring_run(kubeflow, submit, capsys):
    assert submit("--cron", "0 0 3 * * 1", "--run-name", "weekly") == 0
    (recurring,) = kubeflow.recurring
    assert recurring["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert recurring["mode"] == "ENABLE"
    assert recurring["pipeline_version_reference"]["pipeline_version_id"] == kubeflow.versions[0]["pipeline_version_id"]
    assert not kubeflow.runs
    page = f"{kubeflow.host}/#/recurringrun/details/{recurring['recurring_run_id']}"
    assert f"Recurring run weekly: {page}\n" in capsys.readouterr().out


@pytest.mark.parametrize("cron", [(), ("--cron", "@daily")])
def test_a_dry_run_prints_what_then_arrives_and_asks_nobody(kubeflow, submit, capsys, cron):
    flags = ["--recipe", "faces", "--set", "collect.test=0.3", "--run-name", "Wörld", "--no-cache", *cron]
    assert main(["-i", PHOTOS, "--dry-run", *flags]) == 0
    assert not kubeflow.arrived
    printed = capsys.readouterr().out
    (body, file) = printed.split("\n---\n", 1)
    assert submit(*flags) == 0
    (upload,) = (request.body for request in kubeflow.changes() if request.path == "pipelines/upload_version")
    assert file.split("\n", 1)[1] == upload
    expected = yaml.safe_load(body)
    arrived = kubeflow.changes()[-1].body
    version = kubeflow.versions[0]
    assert expected.pop("pipeline_version_reference") == {
        "pipeline_id": "ID of facenet",
        "pipeline_version_id": f"ID of version {version['display_name']} of facenet",
    }
    assert arrived.pop("pipeline_version_reference") == {
        "pipeline_id": version["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert arrived == expected


def test_a_run_in_an_experiment(kubeflow, submit):
    kubeflow.experiments = [
        {"experiment_id": "1", "display_name": "people"},
        {"experiment_id": "2", "display_name": "cats"},
    ]
    assert submit("--experiment", "cats") == 0
    assert kubeflow.runs[0]["experiment_id"] == "2"


def test_an_unknown_experiment_is_named_with_the_near_ones_and_nothing_is_sent(kubeflow, submit, capsys):
    kubeflow.experiments = [{"experiment_id": "1", "display_name": "people"}]
    assert submit("--experiment", "peopel") == 2
    error = capsys.readouterr().err
    assert (
        "no such experiment.\nReceived: peopel\nDid you mean people? To make a new one add --create-experiment."
        in error
    )
    assert not kubeflow.changes()


def test_an_experiment_is_created_when_asked_for_and_only_once(kubeflow, submit, capsys):
    assert submit("--experiment", "people", "--create-experiment") == 0
    assert "Experiment people: created" in capsys.readouterr().out
    assert submit("--experiment", "people", "--create-experiment") == 0
    assert "Experiment people: found" in capsys.readouterr().out
    assert [experiment["display_name"] for experiment in kubeflow.experiments] == ["people"]
    assert kubeflow.runs[1]["experiment_id"] == kubeflow.experiments[0]["experiment_id"]


def test_where_people_have_namespaces_one_is_needed_and_used(kubeflow, submit, capsys, monkeypatch):
    kubeflow.multi_user = True
    assert submit() == 2
    assert "Name yours in the variable KFP_NAMESPACE" in capsys.readouterr().err
    monkeypatch.setenv("KFP_NAMESPACE", "ada")
    assert submit("--experiment", "people", "--create-experiment") == 0
    assert kubeflow.experiments[0]["namespace"] == kubeflow.pipelines[0]["namespace"] == "ada"
    assert {request.query["namespace"] for request in kubeflow.arrived if "namespace" in request.query} == {"ada"}


def test_the_address_may_come_from_kfps_variable(kubeflow, monkeypatch, capsys):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", f"{kubeflow.host}/")
    assert main(["-i", PHOTOS]) == 0
    assert f"{kubeflow.host}/#/runs/details/" in capsys.readouterr().out
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline")
    assert main(["-i", PHOTOS]) == 0
    assert "https://kubeflow.example/pipeline/#/runs/details/" in capsys.readouterr().out


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_images_that_no_cluster_can_pull_are_named_beside_the_output(kubeflow, submit, capsys, tmp_path, dry):
    assert submit(*dry) == 0
    captured = capsys.readouterr()
    assert "Images without a registry's name, as facenet/extract:" in captured.err
    assert "Images" not in captured.out  # which is YAML, dry
    file = tmp_path / "pipeline.yaml"
    file.write_text(DEFAULT_OUTPUT.read_text().replace("image: facenet/", "image: registry.example/facenet/"))
    assert submit("--pipeline", str(file), *dry) == 0
    assert "Images" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-i", "photos"], "A cluster does not see this machine: photos must be on a store that it reads."),
        (["-i", "file:///photos"], "mc cp) and give the URI, which begins with gs://, s3:// or minio://."),
        ([], "The pipeline needs a value for photos.\nGive it with -i PHOTOS."),
        (["-i", PHOTOS, "--set", "rounds=many"], "rounds is a whole number.\nReceived: rounds=many"),
        (["-i", PHOTOS, "--set", "extract.margni=1"], "Did you mean extract.margin"),
        (["-i", PHOTOS, "--set", "shards=[]"], "A loop needs a list with something in it."),
        (["-i", PHOTOS, "--set", "extract.shard=1/2"], "extract.shard is set by the loop that extract is in."),
        (["-i", PHOTOS, "--set", "photos.uri=s3://a/b"], "Give photos with -i PHOTOS."),
        (["-i", PHOTOS, "--recipe", "lapptop"], "Did you mean laptop?"),
        (["-i", PHOTOS, "--cron", "0 3 * * 1"], "Kubeflow's schedules have six fields: seconds come first."),
        (["-i", PHOTOS, "--cron", "0 0 3 * * 1", "--wait"], "A recurring run has no end to wait for."),
        (["-i", PHOTOS, "--create-experiment"], "Name it with --experiment NAME."),
    ],
)
def test_wrong_use_is_found_before_anything_is_sent(kubeflow, capsys, flags, message):
    assert main(["--host", kubeflow.host, *flags]) == 2
    assert message in capsys.readouterr().err
    assert not kubeflow.arrived


def test_without_an_address_it_asks_for_one(capsys):
    assert main(["-i", PHOTOS]) == 2
    assert "--host URL, or in the variable KF_PIPELINES_ENDPOINT" in capsys.readouterr().err


def test_kfps_own_client_finds_and_follows_what_was_submitted(kubeflow, submit):
    """Nothing of ours: the server is one that kfp's client takes for a cluster, and the run is there for it."""
    submit("--experiment", "people", "--create-experiment")
    with pytest.warns(FutureWarning):
        client = kfp.Client(host=kubeflow.host)
    pipeline = client.get_pipeline_id("facenet")
    (version,) = client.list_pipeline_versions(pipeline).pipeline_versions
    experiment = client.get_experiment(experiment_name="people")
    (run,) = kubeflow.runs
    finished = client.wait_for_run_completion(run["run_id"], timeout=5)
    assert finished.state == "SUCCEEDED"
    assert finished.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
    assert finished.experiment_id == experiment.experiment_id
    again = client.run_pipeline(
        experiment.experiment_id,
        "again",
        pipeline_id=pipeline,
        version_id=version.pipeline_version_id,
        params={"photos": PHOTOS},
    )
    assert kubeflow.runs[1]["run_id"] == again.run_id


def test_a_dry_run_does_not_load_kfp():
    code = f"""
import sys
from pipelines.submit import main
assert main(["-i", "{PHOTOS}", "--dry-run"]) == 0
print([name for name in ("kfp", "kubernetes", "tensorflow", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

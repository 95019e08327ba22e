"""Runs in MLflow, read back through its own client: the numbers of our pages, the report, and a network that works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from components.litert.embedder import LiteRTEmbedder
from components.verify.runs import best_file
from pipelines.cli import main
from pipelines.look import history
from pipelines.records.record import FAILED, STOPPED
from pipelines.tracking import to_mlflow
from tests.ui.records import run_of, task_of

ID = "20260101-000000-000"


@pytest.fixture(autouse=True)
def _variables(monkeypatch):
    """What the command sets for MLflow does not outlive the test."""
    for name in (*to_mlflow._VARIABLES, "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def publish(runs: Path, run: str, address: str, *more: str) -> int:
    return main(["publish", run, "--runs", str(runs), "--mlflow", address, *more])


def logged(address: str, experiment: str = "facenet"):
    client = MlflowClient(address if "://" in address else Path(address).as_uri())
    return client, client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


@pytest.fixture(scope="module")
def in_sqlite(in_processes, tmp_path_factory):
    """A real run, published: the address, the client and MLflow's run."""
    here = tmp_path_factory.mktemp("mlflow")
    address = f"sqlite:///{here}/mlflow.db"
    before = Path.cwd()
    os.chdir(here)  # MLflow keeps artifacts in mlruns here
    try:
        assert publish(in_processes.parent, in_processes.name, address) == 0
    finally:
        os.chdir(before)
    client, (run,) = logged(address)
    return address, client, run


def test_mlflow_and_the_records_have_the_same_numbers_and_parameters(in_processes, in_sqlite):
    _, client, run = in_sqlite
    folder = in_processes.parent
    ours = history.run(folder, in_processes.name)
    assert run.info.status == "FINISHED" and run.info.run_name == in_processes.name
    for name, value in ours.record.parameters.items():
        assert run.data.params[name] == (value if isinstance(value, str) else json.dumps(value))
    numbers = {
        f"{task.task}/{name}": value for task in history.tasks(folder, ours) for name, value in task.metrics.items()
    }
    assert len(numbers) > 30
    assert {name: value for name, value in run.data.metrics.items() if not name.startswith("training/")} == numbers
    for name, value in ours.metrics.items():  # those of the list of runs
        assert run.data.metrics[f"evaluate/{name}"] == value
    rounds = pq.read_table(in_processes / "mine-and-train/training/history.parquet").to_pylist()
    points = client.get_metric_history(run.info.run_id, "training/loss")
    assert [(point.step, point.value) for point in points] == [(one["number"], one["loss"]) for one in rounds]


def test_the_report_and_the_exported_folder_are_there_whole(in_processes, in_sqlite, tmp_path):
    _, client, run = in_sqlite
    client.download_artifacts(run.info.run_id, "report", str(tmp_path))
    for file in (in_processes / "evaluate" / "report").rglob("*"):
        if file.is_file():
            name = file.relative_to(in_processes / "evaluate")
            assert (tmp_path / name).read_bytes() == file.read_bytes()
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.status == "READY" and model.source_run_id == run.info.run_id
    data = Path(model.artifact_location.removeprefix("file://")) / "data" / "network"
    exported = in_processes / "export" / "model"
    assert {file.name: file.read_bytes() for file in data.iterdir()} == {
        file.name: file.read_bytes() for file in exported.iterdir()
    }
    assert not [file for file in data.parents[1].rglob("*") if file.suffix in (".pkl", ".pickle")]


LOAD = """
import sys
import numpy as np
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
import components
print(components.__file__)
inputs, outputs = model.metadata.signature.inputs.inputs[0], model.metadata.signature.outputs.inputs[0]
print(inputs.type, *inputs.shape, outputs.type, *outputs.shape)
np.save(sys.argv[4], model.predict(np.load(sys.argv[3])))
"""


@pytest.mark.long
def test_mlflow_loads_the_network_and_it_gives_our_embeddings(in_processes, in_sqlite, tmp_path):
    """In a process of its own, without this repository: the code comes along."""
    address, _, run = in_sqlite
    embed = LiteRTEmbedder(best_file(in_processes / "export" / "model"))
    size = embed.image_size
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    model = f"models:/{run.outputs.model_outputs[0].model_id}"
    words = [address, model, str(tmp_path / "images.npy"), str(tmp_path / "embeddings.npy")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", LOAD, *words]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code, signature = done.stdout.splitlines()[-2:]
    assert not Path(code).is_relative_to(Path(to_mlflow.__file__).parents[2])
    assert signature == f"uint8 -1 {size} {size} 3 float32 -1 {embed.embedding_size}"
    assert np.array_equal(np.load(tmp_path / "embeddings.npy"), embed(images))


@pytest.fixture
def runs(tmp_path):
    """A run that nobody ran, without a network."""
    evaluate = task_of("evaluate", metrics={"accuracy": 0.9, "auc": 0.95})
    folder = tmp_path / "runs"
    times = {"started": "2026-01-01T00:00:00.000+00:00", "ended": "2026-01-01T00:01:00.500+00:00"}
    run_of(folder, ID, evaluate, parameters={"rounds": 3}, metrics={"evaluate": evaluate.metrics}, **times)
    return folder


def test_a_folder_takes_runs_too_with_notes_and_tags_and_times(runs, tmp_path, capsys):
    main(["note", ID, "a good one", "--tag", "demo", "--runs", str(runs)])
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    _, (run,) = logged(str(tmp_path / "mlruns"))
    assert run.data.metrics == {"evaluate/accuracy": 0.9, "evaluate/auc": 0.95} and run.data.params == {"rounds": "3"}
    assert run.data.tags["mlflow.note.content"] == "a good one" and "facenet.tag.demo" in run.data.tags
    assert run.info.end_time - run.info.start_time == 60_500
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    assert "as it was logged before" in capsys.readouterr().out and len(logged(str(tmp_path / "mlruns"))[1]) == 1


@pytest.mark.parametrize(("state", "theirs"), [(FAILED, "FAILED"), (STOPPED, "KILLED")])
def test_how_a_run_ended_is_said_in_mlflows_words(runs, tmp_path, monkeypatch, state, theirs):
    run_of(runs, ID, state=state)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "faces of the team")
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    assert [run.info.status for run in logged(str(tmp_path / "mlruns"), "faces of the team")[1]] == [theirs]


def test_logging_that_was_cut_off_is_done_anew(runs, tmp_path, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(to_mlflow, "_log_model", cut_off)
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 130
    monkeypatch.undo()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    assert [run.info.status for run in logged(str(tmp_path / "mlruns"))[1]] == ["FINISHED"]


def test_the_curves_of_a_training_that_another_run_made_are_found(runs, tmp_path):
    folder = runs / "20250101-000000-000" / "mine-and-train" / "training"
    folder.mkdir(parents=True)
    rows = [
        {"number": 1, "loss": 0.5, "phase": "hard", "auc": None},
        {"number": 2, "loss": 0.25, "phase": "hard", "auc": 0.5},
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "history.parquet")
    run_of(runs, ID, task_of("mine-and-train", origin={"run": "20250101-000000-000", "seconds": 1.0}))
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    client, (run,) = logged(str(tmp_path / "mlruns"))
    assert run.data.metrics == {"training/loss": 0.25, "training/auc": 0.5}
    assert [point.step for point in client.get_metric_history(run.info.run_id, "training/loss")] == [1, 2]


def test_a_server_that_is_away_is_said_to_be_so_with_what_to_do_then(runs, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert publish(runs, ID, "http://127.0.0.1:9") == 1
    said = capsys.readouterr().err
    assert "MLflow did not take the run" in said and f"facenet publish {ID} --mlflow http://127.0.0.1:9" in said


def test_what_cannot_be_is_refused_before_a_run_begins(runs, monkeypatch, capsys):
    for command in (["publish", ID, "--runs", str(runs)], ["run", "--input", "none"]):
        assert main([*command, "--mlflow", "https://me:secret@host"]) == 2
        said = capsys.readouterr().err
        assert "MLFLOW_TRACKING_TOKEN" in said and "secret" not in said
    monkeypatch.setattr(to_mlflow, "find_spec", lambda name: None)
    assert main(["run", "--input", "none", "--mlflow", "x"]) == 2
    assert "pip install -e '.[mlflow]'" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["https://host/mlflow", "http://127.0.0.1:5000/"])
def test_on_a_server_the_page_of_a_run_is_named(runs, tmp_path, address):
    assert publish(runs, ID, str(tmp_path / "mlruns")) == 0
    _, (run,) = logged(str(tmp_path / "mlruns"))
    page = to_mlflow._page(address, run)
    assert page == f", {address.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert to_mlflow._page("sqlite:///mlflow.db", run) == "" == to_mlflow._page("mlruns", run)

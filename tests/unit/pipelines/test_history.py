import json
import os
import re
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from components.common.errors import UsageError
from pipelines.look.find import find, find_run
from pipelines.look.history import LOST, UNREADABLE, artifacts, edges, rerun_command, runs, tasks
from pipelines.records.files import read_run, read_task, write_run, write_task
from pipelines.records.record import RUNNING, SUCCEEDED, RunRecord, TaskRecord
from pipelines.rerun import main as rerun
from tests.stages import TASKS

HOSTILE = ["<script>alert(1)</script>", "\x1b[31mred\x07", "\u202egnp.exe", "😀" * 60, "x" * 300]


def write(folder: Path, identifier: str, state: str = SUCCEEDED, **fields) -> RunRecord:
    record = RunRecord(identifier, "facenet", "pipeline.yaml", None, {}, {}, ["evaluate"], state, **fields)
    write_run(folder, record)
    write_task(folder, identifier, TaskRecord("evaluate", "evaluate", state))
    return record


def test_a_real_run_with_its_tasks_numbers_and_graph(in_processes):
    folder = in_processes.parent
    (run,) = runs(folder)
    assert run.record.id == in_processes.name
    assert run.state == SUCCEEDED
    assert run.metrics == {name: run.record.metrics["evaluate"][name] for name in ("accuracy", "auc", "eer")}
    assert run.changed == {"backbone": "small_resnet", "image_size": 32, "rounds": 2, "export": "int8"}
    found = tasks(folder, run)
    assert [task.task for task in found] == run.record.tasks
    assert all(task.cpu_seconds and task.peak_bytes for task in found if task.log)
    lines = edges(found)
    assert ("photos", "extract") in lines
    assert {before for before, after in lines if after == "evaluate"} == {"collect", "embed"}
    order = {task.task: number for number, task in enumerate(found)}
    assert all(order[before] < order[after] for before, after in lines)


def test_a_name_is_found_as_run_task_artifact_and_file(in_processes):
    folder, identifier = in_processes.parent, in_processes.name
    assert find(folder, "latest").run.record.id == identifier
    assert find(folder, f"{identifier}/collect").task.label == "collect"
    report = find(folder, "latest/evaluate/report")
    assert report.path == in_processes / "evaluate" / "report"
    assert find(folder, "latest/evaluate/report/metrics.json").path == report.path / "metrics.json"
    made = {artifact.name: artifact for artifact in artifacts(folder, find(folder, "latest/evaluate").task)}
    assert made["card"].kind == "system.HTML"
    assert made["card"].on_disk
    assert not made["metrics"].on_disk


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("latest/evalaute", "Did you mean evaluate?"),
        ("latest/evaluate/reprot", "Did you mean report?"),
        ("latest/../evaluate", f"Known: {', '.join(['photos', *TASKS][:5])} and {len(TASKS) - 4} more."),
        ("..", "Known: latest, 2"),
    ],
)
def test_a_wrong_name_is_answered_with_what_there_is(in_processes, text, advice):
    with pytest.raises(UsageError, match=re.escape(advice)):
        find(in_processes.parent, text)


def test_the_command_that_runs_a_task_again_can_be_pasted(tmp_path):
    write(tmp_path, "1")
    found = find(tmp_path, "1/evaluate")
    assert rerun_command(Path("my runs"), found.run, found.task) == "facenet rerun evaluate --run 1 --runs 'my runs'"


def test_no_runs_folder_is_wrong_use_and_an_empty_one_is_empty(tmp_path):
    with pytest.raises(UsageError, match="no runs folder"):
        runs(tmp_path / "none")
    assert runs(tmp_path) == []
    with pytest.raises(UsageError, match="There is none yet"):
        find(tmp_path, "latest")


@pytest.mark.parametrize("linked", [True, False])
def test_without_a_link_that_leads_to_a_run_the_latest_one_is_the_newest(tmp_path, linked):
    for identifier, began in (("compose", "2026-01-03"), ("20260102-000000-000", "2026-01-02")):
        write_run(
            tmp_path, RunRecord(identifier, "f", "p.yaml", None, {}, {}, [], SUCCEEDED, f"{began}T00:00:00+00:00")
        )
    (tmp_path / "20260104-000000-000").mkdir()  # a run that was killed before it had a record
    if linked:
        (tmp_path / "latest").symlink_to("20260101-000000-000")
    assert find_run(tmp_path, "latest").record.id == find(tmp_path, "latest").run.record.id == "compose"
    (tmp_path / "latest").unlink(missing_ok=True)
    (tmp_path / "latest").symlink_to("20260102-000000-000")
    assert find_run(tmp_path, "latest").record.id == "20260102-000000-000"
    with pytest.raises(UsageError, match="There is no such run") as refused:
        find_run(tmp_path, "lates")
    assert refused.value.advice == "Did you mean latest?"


def test_a_run_whose_record_cannot_be_read_is_not_run_again(tmp_path, capsys):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "run.json").write_text("{")
    assert rerun(["collect", "--run", "1", "--runs", str(tmp_path)]) == 2
    assert "The run's record cannot be read.\nReceived: 1 (" in capsys.readouterr().err
    with pytest.raises(UsageError, match="There is no such run"):  # nor gone on with, by the tasks of docker compose
        read_run(tmp_path, "1")


def test_the_newest_run_comes_first_and_what_is_no_run_does_not_come(tmp_path):
    for identifier in ("20250101-000000-000", "20250103-000000-000", "20250102-000000-000"):
        write(tmp_path, identifier)
    (tmp_path / "by-hand").mkdir()
    (tmp_path / "latest").symlink_to("20250103-000000-000")
    assert [run.record.id[:8] for run in runs(tmp_path)] == ["20250103", "20250102", "20250101"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "property name"),
        ("[]", "version None"),
        ('{"schema_version": 1}', "version 1, not 2"),
        ('{"schema_version": 2}', "missing"),
        ('{"schema_version": 2, "tasks": "all"}', "no such tasks"),
        ('{"schema_version": 2, "tasks": [1]}', "no such tasks"),
        ('{"schema_version": 2, "metrics": {"evaluate": 1}}', "no such metrics"),
        ('{"schema_version": 2, "seconds": "long"}', "no such seconds"),
        ('{"schema_version": 2, "surprise": 1}', "surprise"),
        ('{"schema_version": 2, "seconds": NaN}', "a number that is none: NaN"),
        ('{"schema_version": 2, "metrics": {"evaluate": {"accuracy": -1e999}}}', "none: -1e999"),
        (f'{{"schema_version": 2, "metrics": {{"evaluate": {{"accuracy": 1{"0" * 400}}}}}}}', "none: 1000"),
    ],
)
def test_a_run_that_cannot_be_read_is_listed_and_says_why(tmp_path, content, problem):
    write(tmp_path, "1")
    write(tmp_path, "2")
    (tmp_path / "2" / "run.json").write_text(content)
    unreadable, whole = runs(tmp_path)
    assert (unreadable.record.id, unreadable.state) == ("2", UNREADABLE)
    assert problem in unreadable.problem
    assert tasks(tmp_path, unreadable) == []
    assert whole.state == SUCCEEDED


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(2**30)


@pytest.mark.parametrize(
    ("put", "problem"),
    [
        (os.mkfifo, "no plain file"),
        (Path.mkdir, "no plain file"),
        (lambda file: file.symlink_to("nowhere"), "no plain file"),
        (lambda file: file.symlink_to("/dev/zero"), "no plain file"),
        (sparse, "1,073,741,824 bytes"),
    ],
    ids=["pipe", "folder", "dangling link", "device", "1 GiB"],
)
def test_a_record_that_would_hang_or_fill_the_memory_is_not_read(tmp_path, put, problem):
    write(tmp_path, "1")
    write(tmp_path, "2")
    for record in (tmp_path / "2" / "run.json", tmp_path / "1" / "evaluate" / "task.json"):
        record.unlink()
        put(record)
    unreadable, whole = runs(tmp_path)
    assert (unreadable.record.id, unreadable.state) == ("2", UNREADABLE)
    assert problem in unreadable.problem
    (task,) = tasks(tmp_path, whole)
    assert task.state == UNREADABLE
    assert problem in task.message
    with pytest.raises(UsageError, match=problem):
        read_run(tmp_path, "2")
    assert read_task(tmp_path, "1", "evaluate") is None


def test_a_run_of_more_tasks_than_can_be_shown_is_unreadable(tmp_path):
    write(tmp_path, "1")
    write_run(tmp_path, replace(read_run(tmp_path, "1"), tasks=["evaluate"] * 10_001))
    (run,) = runs(tmp_path)
    assert (run.state, run.problem) == (UNREADABLE, "its record has 10,001 tasks, and may have 10,000")


def test_a_task_elsewhere_is_not_read_and_a_lock_that_is_none_is_not_waited_for(tmp_path):
    write(tmp_path / "elsewhere", "1")
    write(tmp_path / "runs", "1", RUNNING)
    shutil.rmtree(tmp_path / "runs" / "1" / "evaluate")
    (tmp_path / "runs" / "1" / "evaluate").symlink_to(tmp_path / "elsewhere" / "1" / "evaluate")
    os.mkfifo(tmp_path / "runs" / "1" / ".alive")
    (run,) = runs(tmp_path / "runs")
    assert run.state == RUNNING
    (task,) = tasks(tmp_path / "runs", run)
    assert (task.state, task.message) == (UNREADABLE, "its folder is a link")


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": None},
        {"inputs": {"faces": [{"path": "1"}]}},
        {"outputs": {"report": {"path": "1", "kind": "", "sha256": "", "metadata": [], "on_disk": True}}},
        {"origin": {"run": 1, "seconds": 1.5}},
        {"command": "python"},
        {"peak_bytes": 0.5},
    ],
)
def test_a_task_that_cannot_be_read_says_why(tmp_path, change):
    write(tmp_path, "1")
    file = tmp_path / "1" / "evaluate" / "task.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    (task,) = tasks(tmp_path, find(tmp_path, "1").run)
    assert task.state == UNREADABLE
    assert "version" in task.message


def test_a_task_whose_name_leads_out_of_its_run_is_not_read(tmp_path):
    write(tmp_path, "1")
    content = json.loads((tmp_path / "1" / "run.json").read_text())
    (tmp_path / "1" / "run.json").write_text(json.dumps(content | {"tasks": ["../../1/evaluate"]}))
    (task,) = tasks(tmp_path, find(tmp_path, "1").run)
    assert task.state == UNREADABLE


def test_a_run_without_a_living_runner_is_lost_and_so_is_its_task(tmp_path):
    write(tmp_path, "1", RUNNING)
    assert runs(tmp_path)[0].state == RUNNING  # of a file system without locks nothing more is known
    (tmp_path / "1" / ".alive").touch()
    (lost,) = runs(tmp_path)
    assert lost.state == LOST
    assert tasks(tmp_path, lost)[0].state == LOST


def test_the_numbers_of_people_that_were_trained_on_come_with_a_doubt(tmp_path):
    record = write(tmp_path, "1")
    write_run(tmp_path, replace(record, metrics={"evaluate": {"identities": 240, "train_identities": 175}}))
    assert runs(tmp_path)[0].doubts == ["175 of the 240 people measured are of the train split"]


def test_a_recipe_of_ones_own_is_what_settings_are_compared_with(tmp_path):
    settings = {"rounds": 7, "image_size": 64, "photos": "sample"}
    recipe = {"recipe": "laptop", "settings": settings}
    write_run(tmp_path, replace(write(tmp_path, "1"), **recipe, recipe_settings={"rounds": 7, "image_size": 32}))
    write_run(tmp_path, replace(write(tmp_path, "2"), **recipe))
    older, own = runs(tmp_path)
    assert own.changed == {"image_size": 64}
    assert older.changed == {"rounds": 7}  # the recipe laptop has another number, and the same size


def test_hostile_names_are_what_they_are(tmp_path):
    settings = dict.fromkeys(HOSTILE, HOSTILE[0])
    record = RunRecord("1", HOSTILE[0], "pipeline.yaml", None, settings, {}, HOSTILE)
    write_run(tmp_path, record)
    (run,) = runs(tmp_path)
    assert run.changed == settings
    assert [task.task for task in tasks(tmp_path, run)] == HOSTILE


def test_hundreds_of_runs_are_listed_from_one_file_each(tmp_path):
    record = write(tmp_path, "000")
    for number in range(500):
        record = replace(record, id=f"{number:03d}", metrics={"evaluate": {"accuracy": number / 500}})
        file = tmp_path / record.id / "run.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(asdict(record)))
    clock = time.process_time()
    found = runs(tmp_path)
    print(f"500 runs listed in {time.process_time() - clock:.3f} s")
    assert [run.metrics["accuracy"] for run in found[:2]] == [499 / 500, 498 / 500]
    assert len(found) == 500

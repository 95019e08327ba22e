"""What `facenet run` does, on a tiny pipeline whose tasks are real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import components.specification.images
from tests.pipeline.conftest import IMAGE, in_a_container, in_a_process

SUCCEEDED = {"importer": "succeeded", "count": "succeeded", "report": "succeeded"}
CACHED = {"importer": "succeeded", "count": "cached", "report": "cached"}


def test_a_run_executes_every_task_and_leaves_its_results(tiny, capsys):
    assert tiny.run() == 0
    assert tiny.states() == SUCCEEDED
    assert tiny.reported() == "<p>15"  # 3 x 5 bytes
    output = capsys.readouterr().out
    assert "  | counting" in output
    assert str(tiny.runs) in output


def test_a_record_says_what_went_in_and_what_came_out(tiny):
    tiny.run()
    count, report = tiny.task_record("count"), tiny.task_record("report")
    assert count["parameters"] == {"factor": 3}
    assert count["command"][-2] == "3"
    assert count["metrics"] == {"number": 15}
    assert count["exit_code"] == 0
    assert count["started"] < count["ended"]
    assert (tiny.runs / count["log"]).read_text().startswith("counting")
    (read,) = report["inputs"]["result"]
    assert read["task"] == "count"
    assert read["sha256"] == count["outputs"]["result"]["sha256"]
    assert not Path(count["outputs"]["result"]["path"]).is_absolute()
    run = tiny.run_record()
    assert run["state"] == "succeeded"
    assert run["settings"] == {"photos": str(tiny.photos)}


def test_nothing_changed_is_answered_from_the_cache(tiny):
    tiny.run()
    assert tiny.run() == 0
    assert tiny.states() == CACHED
    first, second = tiny.all_runs()
    assert tiny.task_record("count", second)["origin"]["run"] == first
    assert tiny.task_record("count", second)["metrics"] == {"number": 15}
    assert tiny.reported() == "<p>15"


@in_a_process
def test_latest_shows_the_whole_result_even_when_it_came_from_the_cache(tiny):
    tiny.run()
    tiny.run()
    assert (tiny.runs / "latest" / "report" / "report" / "report.html").read_text() == "<p>15"


@in_a_process
def test_the_cache_survives_a_move_of_the_runs_folder(tiny):
    tiny.run()
    tiny.runs = tiny.runs.rename(tiny.folder / "elsewhere")
    assert tiny.run() == 0
    assert tiny.states() == CACHED


@in_a_process
def test_a_changed_parameter_runs_the_tasks_that_depend_on_it(tiny):
    tiny.run()
    assert tiny.run("--set", "factor=4") == 0
    assert tiny.states() == SUCCEEDED
    assert tiny.reported() == "<p>20"


@in_a_process
def test_a_setting_of_a_task_goes_before_the_pipelines(tiny):
    tiny.run("--set", "factor=4", "--set", "count.factor=7")
    assert tiny.reported() == "<p>35"


@in_a_process
def test_changed_content_of_the_same_size_and_time_is_noticed(tiny):
    photo = tiny.photos / "ada" / "1.jpg"
    tiny.run()
    before = photo.stat()
    photo.write_text("54321")
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    tiny.run()
    # The count is the same again, so the report, whose input did not change, is not made anew.
    assert tiny.states() == {"importer": "succeeded", "count": "succeeded", "report": "cached"}


@in_a_process
def test_a_new_photo_is_noticed(tiny):
    tiny.run()
    (tiny.photos / "ada" / "2.jpg").write_text("1")
    tiny.run()
    assert tiny.states() == SUCCEEDED
    assert tiny.reported() == "<p>18"


def test_a_changed_command_is_noticed(tiny):
    tiny.run()
    tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]["command"][2] += "# changed"
    tiny.run()
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "succeeded"}


@in_a_process
def test_changed_code_is_noticed(tiny, monkeypatch):
    package = tiny.folder / "code" / "components"
    (package / "stage").mkdir(parents=True)
    for name in ("__init__.py", "stage/__init__.py", "other.py"):
        (package / name).touch()
    (package / "number.py").write_text("NUMBER = 1")
    (package / "stage" / "__main__.py").write_text(
        "import sys, pathlib\nfrom components.number import NUMBER\n"
        "pathlib.Path(sys.argv[2]).mkdir()\n(pathlib.Path(sys.argv[2]) / 'report.html').write_text(str(NUMBER))\n"
    )
    monkeypatch.setattr(components.specification.images, "REPOSITORY", package.parent)
    command = ["python", "-m", "components.stage"]
    tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]["command"] = command
    tiny.run()
    assert tiny.reported() == "1"
    (package / "other.py").write_text("# not imported by the stage")
    tiny.run()
    assert tiny.states() == CACHED
    (package / "number.py").write_text("NUMBER = 22")
    # Python compares its compiled files by time in seconds and size.
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    tiny.run()
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "succeeded"}
    assert tiny.reported() == "22"


@in_a_container
def test_another_image_is_noticed_and_one_that_is_not_there_is_refused_before_anything_starts(tiny, capsys):
    tiny.run()
    container = tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]
    subprocess.run(["docker", "tag", IMAGE, "tiny:2"], check=True)
    container["image"] = "tiny:2"
    assert tiny.run() == 0
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "succeeded"}
    container["image"] = "tiny:never-built"
    assert tiny.run() == 2
    assert "Received: tiny:never-built" in capsys.readouterr().err
    assert len(tiny.all_runs()) == 2


@in_a_container
def test_a_run_of_the_same_millisecond_in_another_folder_is_no_trouble(tiny, monkeypatch):
    def only(runs):
        (runs / "20261231-235959-999").mkdir(parents=True)
        return "20261231-235959-999"

    monkeypatch.setattr("pipelines.launch.new_run", only)
    other = subprocess.run(
        ["docker", "create", "--name=20261231-235959-999-count", "python:3.13-slim"], check=True, capture_output=True
    )
    try:
        assert tiny.run() == 0
    finally:
        subprocess.run(["docker", "rm", other.stdout.strip()], check=True, capture_output=True)


@in_a_container
def test_a_container_sees_its_inputs_and_its_folder_and_may_do_nothing_else(tiny, capsys):
    command = tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]["command"]
    secret = tiny.folder / "secret.txt"
    secret.write_text("not yours")
    command[2] += f"""
status = pathlib.Path("/proc/self/status").read_text()
print("capabilities", status.split("CapEff:")[1].split()[0], "privileges", status.split("NoNewPrivs:")[1].split()[0])
print("user", os.getuid(), "sees the secret:", pathlib.Path({str(secret)!r}).exists())
for place in ("/", sys.argv[1], "/tmp", sys.argv[2]):
    try:
        pathlib.Path(place, "x").write_text("x") if os.path.isdir(place) else open(place, "a").write("x")
        print("wrote to", place)
    except OSError as error:
        print("no writing to", place, error.strerror)
print("network", sorted(os.listdir("/sys/class/net")))
"""
    assert tiny.run() == 0
    output = capsys.readouterr().out
    report = tiny.runs.resolve() / "latest"
    assert "capabilities 0000000000000000 privileges 1" in output
    assert f"user {os.getuid()} sees the secret: False" in output
    assert "no writing to / Read-only file system" in output
    assert "result Read-only file system" in output
    assert "wrote to /tmp" in output
    assert (report / "report" / "report" / "x").is_file()
    assert "network ['lo']" in output


@in_a_process
def test_a_damaged_artifact_is_made_again(tiny):
    tiny.run()
    (tiny.runs / "latest" / "count" / "result").write_text("99999")
    tiny.run()
    assert tiny.states() == {"importer": "succeeded", "count": "succeeded", "report": "cached"}
    assert tiny.reported() == "<p>15"


@in_a_process
def test_a_deleted_run_is_no_answer(tiny):
    tiny.run()
    shutil.rmtree(tiny.runs / tiny.all_runs()[0])
    assert tiny.run() == 0
    assert tiny.states() == SUCCEEDED


@in_a_process
def test_the_cache_can_be_turned_off(tiny):
    tiny.run()
    tiny.run("--no-cache")
    assert tiny.states() == SUCCEEDED


@in_a_process
def test_a_task_that_the_pipeline_does_not_cache_runs_every_time(tiny):
    tiny.ir["root"]["dag"]["tasks"]["count"]["cachingOptions"] = {}
    tiny.run()
    tiny.run()
    assert tiny.states() == {"importer": "succeeded", "count": "succeeded", "report": "cached"}


def test_a_failure_shows_the_end_of_the_log_and_skips_what_depends_on_it(tiny, capsys):
    tiny.mood = {"BROKEN": "1"}
    tail = {"taskInfo": {"name": "tail"}, "componentRef": {"name": "comp-tail"}, "dependentTasks": ["report"]}
    tiny.ir["root"]["dag"]["tasks"]["tail"] = tail
    tiny.ir["components"]["comp-tail"] = {"executorLabel": "exec-report"}
    executors = tiny.ir["deploymentSpec"]["executors"]
    executors["exec-tail"] = {"container": {"image": IMAGE, "command": ["python", "-c", "pass"]}}
    tiny.ir["components"]["comp-tail"]["executorLabel"] = "exec-tail"
    assert tiny.run() == 1
    assert tiny.states() == {"importer": "succeeded", "count": "succeeded", "report": "failed", "tail": "skipped"}
    assert tiny.task_record("report")["exit_code"] == 1
    assert tiny.run_record()["state"] == "failed"
    error = capsys.readouterr().err
    assert "The task report failed: exit code 1." in error
    assert "this cannot work" in error
    assert "line 39" in error
    assert "line 20\n" not in error
    assert "Traceback" not in error


@in_a_process
def test_the_next_run_goes_on_where_the_last_one_failed(tiny):
    tiny.mood = {"BROKEN": "1"}
    tiny.run()
    tiny.mood = {}
    assert tiny.run() == 0
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "succeeded"}


def test_a_task_that_leaves_no_artifact_has_failed(tiny, capsys):
    tiny.mood = {"FORGET": "1"}
    assert tiny.run() == 1
    assert tiny.states() == {"importer": "succeeded", "count": "failed", "report": "skipped"}
    assert "left no result" in capsys.readouterr().err


@in_a_process
@pytest.mark.parametrize("said", ['{"artifacts": {"metrics": {"artifacts": [{"metadata": {"a": NaN}}]}}}', "[1]"])
def test_a_task_that_reports_what_kubeflow_cannot_read_has_failed(tiny, said, capsys):
    command = tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]["command"]
    command[2] += f"pathlib.Path(outputs['outputFile']).write_text('''{said}''')"
    assert tiny.run() == 1
    assert "what it said of its results" in capsys.readouterr().err


def test_a_command_that_does_not_exist_is_a_failed_task(tiny, capsys):
    tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]["command"] = ["no-such-program"]
    assert tiny.run() == 1
    assert "its command cannot be started" in capsys.readouterr().err


@in_a_process
def test_from_runs_a_task_and_those_after_it_anew(tiny):
    tiny.run()
    assert tiny.run("--from", "report") == 0
    assert tiny.states() == {"importer": "succeeded", "count": "cached", "report": "succeeded"}


@in_a_process
def test_from_says_which_earlier_task_is_not_in_the_cache(tiny, capsys):
    assert tiny.run("--from", "report") == 2
    assert "does not hold the result of count" in capsys.readouterr().err
    assert tiny.run_record()["state"] == "failed"


@in_a_process
def test_to_stops_after_a_task(tiny):
    assert tiny.run("--to", "count") == 0
    assert tiny.states() == {"importer": "succeeded", "count": "succeeded"}


@in_a_process
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--set", "factr=1"], "Did you mean factor"),
        (["--set", "cuont.factor=1"], "count.factor"),
        (["--set", "factor=x"], "factor is a whole number"),
        (["--set", "factor=1.5"], "factor is a whole number"),
        (["--set", "factor"], "--set takes a name and a value"),
        (["--from", "repotr"], "Did you mean report?"),
        (["--to", "nothing-like-it"], "Known: importer, count, report"),
        (["--from", "report", "--to", "count"], "no such task"),
        (["--recipe", "latpop"], "Did you mean laptop?"),
        (["-i", "no/such/folder"], "no such file or folder"),
        (["-i", "gs://bucket/photos"], "on this machine"),
    ],
)
def test_wrong_use_is_refused_before_anything_starts(tiny, flags, message, capsys):
    assert tiny.run(*flags) == 2
    assert message in capsys.readouterr().err
    assert not tiny.runs.exists()


@in_a_process
def test_a_recipe_sets_parameters_and_set_goes_before_it(tiny, tmp_path, capsys):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("about: two numbers\nset: {factor: 10}\n")
    tiny.run("--recipe", str(recipe))
    assert tiny.reported() == "<p>50"
    assert "(recipe mine): factor=10\n" in capsys.readouterr().out
    tiny.run("--recipe", str(recipe), "--set", "factor=11")
    assert tiny.reported() == "<p>55"
    assert tiny.run_record()["recipe"] == "mine"


def test_ctrl_c_stops_the_task_and_says_how_to_go_on(tiny):
    process = tiny.start(SLEEP="1")
    while "asleep" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again" in output
    assert "Traceback" not in error
    assert tiny.states() == {"importer": "succeeded", "count": "stopped", "report": "skipped"}
    assert tiny.run_record()["state"] == "stopped"
    assert "KeyboardInterrupt" in (tiny.runs / "latest" / "count" / "log.txt").read_text()
    assert tiny.run() == 0
    assert tiny.states() == SUCCEEDED
    assert "going on with a part" in (tiny.runs / "latest" / "count" / "log.txt").read_text()


@in_a_process
def test_what_a_stopped_task_left_is_not_taken_over_by_other_settings_or_an_order_to_begin_anew(tiny):
    process = tiny.start(SLEEP="1")
    while "asleep" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    for flags in (("--set", "factor=7"), ("--no-cache",)):
        assert tiny.run(*flags) == 0
        assert "going on" not in (tiny.runs / "latest" / "count" / "log.txt").read_text()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_task_too(tiny, number, exit_code):
    process = tiny.start(SLEEP="1")
    while "asleep" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert tiny.states()["count"] == "stopped"


def test_two_runs_at_once_do_not_disturb_each_other(tiny):
    processes = [tiny.start("--set", f"factor={factor}") for factor in (1, 2, 2, 3)]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    runs = tiny.all_runs()
    assert len(runs) == 4
    numbers = sorted(tiny.task_record("count", run)["metrics"]["number"] for run in runs)
    assert numbers == [5, 10, 10, 15]
    assert (tiny.runs / "latest").resolve().name in runs


def test_workers_that_outlive_their_task_do_not_hold_up_the_run(tiny):
    command = tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]["command"]
    command[2] += "import subprocess\nsubprocess.Popen(['sleep', '300'])\n"
    process = tiny.start()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_relative_paths_are_the_users(tiny, monkeypatch):
    (tiny.folder / "here").mkdir()
    monkeypatch.chdir(tiny.folder / "here")
    assert tiny.run("-i", "../photos") == 0
    assert tiny.reported() == "<p>15"


def test_the_environment_of_the_pipeline_reaches_the_task(tiny, capsys):
    container = tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]
    container["env"] = [{"name": "GREETING", "value": "good day"}]
    container["command"][2] += "print(os.environ['GREETING'])"
    assert tiny.run() == 0
    assert "  | good day" in capsys.readouterr().out


def test_a_value_that_a_task_hands_on_reaches_the_next(tiny):
    outputs = tiny.ir["components"]["comp-count"]["outputDefinitions"]
    outputs["parameters"] = {"total": {"parameterType": "NUMBER_INTEGER"}}
    container = tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]
    container["command"][2] = container["command"][2].replace("photos, result,", "total, photos, result,")
    container["command"][2] += "pathlib.Path(total).write_text('41')"
    container["args"].insert(0, "{{$.outputs.parameters['total'].output_file}}")
    report = tiny.ir["components"]["comp-report"]["inputDefinitions"]
    report["parameters"] = {"total": {"parameterType": "NUMBER_INTEGER"}}
    executor = tiny.ir["deploymentSpec"]["executors"]["exec-report"]["container"]
    executor["args"].append("{{$.inputs.parameters['total']}}")
    executor["command"][2] += "(folder / 'report.html').write_text(sys.argv[3])"
    source = {"taskOutputParameter": {"producerTask": "count", "outputParameterKey": "total"}}
    tiny.ir["root"]["dag"]["tasks"]["report"]["inputs"]["parameters"] = {"total": source}
    assert tiny.run() == 0
    assert tiny.reported() == "41"
    assert tiny.run() == 0
    assert tiny.states() == CACHED


@in_a_process
def test_a_curve_for_kubeflows_ui_has_no_file_and_is_no_number(tiny):
    artifacts = tiny.ir["components"]["comp-count"]["outputDefinitions"]["artifacts"]
    artifacts["roc"] = {"artifactType": {"schemaTitle": "system.ClassificationMetrics", "schemaVersion": "0.0.1"}}
    container = tiny.ir["deploymentSpec"]["executors"]["exec-count"]["container"]
    container["command"][2] += (
        "roc = outputs['artifacts']['roc']['artifacts'][0]\n"
        "said['artifacts']['roc'] = {'artifacts': [{**roc, 'metadata': {'confidenceMetrics': [1]}}]}\n"
        "pathlib.Path(outputs['outputFile']).write_text(json.dumps(said))\n"
    )
    assert tiny.run() == 0
    record = tiny.task_record("count")
    assert record["metrics"] == {"number": 15}
    assert record["outputs"]["roc"]["metadata"] == {"confidenceMetrics": [1]}
    assert tiny.run() == 0
    assert tiny.states() == CACHED

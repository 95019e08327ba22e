"""`facenet rerun`: one task again on a past run's inputs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.pipeline.conftest import in_a_process


def test_one_task_runs_again_on_what_the_past_run_gave_it_and_names_its_origin(tiny):
    tiny.run()
    (first,) = tiny.all_runs()
    before = (tiny.runs / first / "report" / "task.json").read_bytes()
    assert tiny.rerun("count", "--set", "factor=7") == 0
    record = tiny.run_record()
    assert record["origin"] == first
    assert record["runner"] == tiny.runner
    assert record["settings"]["count.factor"] == 7
    assert tiny.states() == {"importer": "cached", "count": "succeeded"}
    assert tiny.task_record("count")["metrics"] == {"number": 35}
    assert (tiny.runs / first / "report" / "task.json").read_bytes() == before


@in_a_process
def test_the_task_runs_again_though_nothing_has_changed_and_needs_no_photos(tiny):
    tiny.run()
    shutil.rmtree(tiny.photos)
    assert tiny.rerun("report") == 0
    assert tiny.states() == {"count": "cached", "report": "succeeded"}
    assert tiny.task_record("count")["origin"]["run"] == tiny.all_runs()[0]
    assert tiny.reported() == "<p>15"


@in_a_process
def test_the_tasks_after_it_run_too_when_asked_for(tiny):
    tiny.run()
    assert tiny.rerun("count", "--set", "factor=7", "--and-after") == 0
    assert tiny.states() == {"importer": "cached", "count": "succeeded", "report": "succeeded"}
    assert tiny.reported() == "<p>35"


def test_an_input_from_elsewhere(tiny, tmp_path):
    tiny.run()
    (tmp_path / "number").write_text("99")
    assert tiny.rerun("report", "--input", f"result={tmp_path / 'number'}") == 0
    assert tiny.states() == {"report-result": "succeeded", "report": "succeeded"}
    assert tiny.reported() == "<p>99"


@in_a_process
def test_a_run_is_chosen_by_its_name(tiny):
    tiny.run()
    tiny.run("--set", "factor=5")
    assert tiny.rerun("report", "--run", tiny.all_runs()[0]) == 0
    assert tiny.reported() == "<p>15"


@in_a_process
def test_what_a_rerun_left_out_is_found_in_the_run_that_it_repeats(tiny):
    tiny.run()
    tiny.rerun("report")
    assert tiny.rerun("count") == 0
    assert tiny.states() == {"importer": "cached", "count": "succeeded"}
    first, second, _ = tiny.all_runs()
    assert tiny.run_record()["origin"] == second
    assert tiny.task_record("importer")["origin"]["run"] == first


@in_a_process
def test_a_rerun_that_fails_says_why_and_can_be_repeated(tiny, capsys):
    tiny.run()
    tiny.mood = {"BROKEN": "1"}
    assert tiny.rerun("report") == 1
    assert "this cannot work" in capsys.readouterr().err
    tiny.mood = {}
    assert tiny.rerun("report") == 0
    assert tiny.states() == {"count": "cached", "report": "succeeded"}


def test_the_printed_command_does_the_same_by_hand(tiny, capsys):
    tiny.run()
    capsys.readouterr()
    assert tiny.rerun("count", "--shell", "--set", "factor=4") == 0
    printed = capsys.readouterr().out
    assert ("docker run" in printed) == (tiny.runner == "compose")
    done = subprocess.run(["sh", "-ec", printed], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert (tiny.runs / "by-hand" / "count" / "result").read_text() == "20"
    assert len(tiny.all_runs()) == 1


@in_a_process
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["cuont"], "Did you mean count?"),
        (["count", "--run", "2020"], "There is no such run.\nReceived: 2020 in"),
        (["count", "--set", "factr=1"], "Did you mean factor"),
        (["count", "--input", "photo=x"], "There is no such file or folder"),
        (["count", "--input", "photo=."], "Did you mean photos?"),
        (["count", "--input", "photos"], "Write --input dataset=PATH."),
        (["importer", "--shell"], "runs no command"),
    ],
)
def test_wrong_use_is_refused_and_leaves_no_run(tiny, flags, message, capsys):
    tiny.run()
    assert tiny.rerun(*flags) == 2
    assert message in capsys.readouterr().err
    assert len(tiny.all_runs()) == 1


@in_a_process
def test_results_that_are_gone_changed_or_never_were_are_named(tiny, capsys):
    tiny.run("--to", "count")
    assert tiny.rerun("report") == 0  # nothing of report itself is needed
    (tiny.runs / "latest" / "count" / "result").resolve().write_text("16")
    assert tiny.rerun("report") == 2
    assert "What count made has been deleted or changed since." in capsys.readouterr().err
    tiny.mood = {"FORGET": "1"}
    tiny.run("--set", "factor=8")
    assert tiny.rerun("report") == 2
    assert "The run has no result of count" in capsys.readouterr().err

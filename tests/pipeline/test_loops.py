"""A loop in the tiny pipeline: its tasks run side by side, and are recorded, cached and rerun as tasks."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

import pytest

from tests.pipeline.conftest import (
    REPOSITORY,
    artifact,
    component,
    container,
    from_task,
    in_a_container,
    in_a_process,
    task,
)

COUNT = """
import json, os, pathlib, signal, sys, time
part, result, description = sys.argv[1:]
print("part", part, flush=True)
here = pathlib.Path(result).parent
if (here / "kept").exists():
    print("going on with", (here / "kept").read_text())
if part in os.environ.get("BROKEN", ""):
    sys.exit(f"part {part} cannot work")
if os.environ.get("SLEEP"):
    (here / "kept").write_text(part)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("asleep", flush=True)
    time.sleep(120)
if os.environ.get("MEET"):  # every other part before any goes on
    print("processors", sorted(os.sched_getaffinity(0)))
    (here / "here").touch()
    until = time.monotonic() + 60
    while len(list(here.parent.glob("count-*/here"))) < int(os.environ["MEET"]):
        assert time.monotonic() < until, "alone"
        time.sleep(0.01)
pathlib.Path(result).write_text(part)
outputs = json.loads(description)["outputs"]
metrics = outputs["artifacts"]["metrics"]["artifacts"][0]
said = {"name": metrics["name"], "uri": metrics["uri"], "metadata": {"photos": 2, "faces": 3}}
pathlib.Path(outputs["outputFile"]).write_text(json.dumps({"artifacts": {"metrics": {"artifacts": [said]}}}))
"""

REPORT = """
import json, pathlib, sys
found = json.loads(sys.argv[1])["inputs"]["artifacts"]["results"]["artifacts"]
folder = pathlib.Path(sys.argv[2])
folder.mkdir()
(folder / "report.html").write_text("".join(pathlib.Path(one["uri"]).read_text() for one in found))
"""


@pytest.fixture
def looped(tiny):
    """The tiny pipeline with `count` in a loop over the parameter `parts`, and a report on all of them."""
    ir = tiny.ir
    count = component(
        "exec-count",
        {"artifacts": {"photos": artifact()}, "parameters": {"part": {"parameterType": "STRING"}}},
        {"artifacts": {"result": artifact(), "metrics": artifact("system.Metrics")}},
    )
    of_the_loop = {"photos": {"componentInputArtifact": "photos"}}, {"part": {"componentInputParameter": "item"}}
    inside = task("count", [], dict(zip(("artifacts", "parameters"), of_the_loop, strict=True)))
    results = {"artifactSelectors": [{"producerSubtask": "count", "outputArtifactKey": "result"}]}
    ir["components"] |= {
        "comp-count": count,
        "comp-loop": {
            "dag": {"tasks": {"count": inside}, "outputs": {"artifacts": {"results": results}}},
            "inputDefinitions": {
                "artifacts": {"photos": artifact()},
                "parameters": {"parts": {"parameterType": "LIST"}, "item": {"parameterType": "STRING"}},
            },
            "outputDefinitions": {"artifacts": {"results": artifact() | {"isArtifactList": True}}},
        },
        "comp-report": component(
            "exec-report",
            {"artifacts": {"results": artifact() | {"isArtifactList": True}}},
            {"artifacts": {"report": artifact()}},
        ),
    }
    ir["deploymentSpec"]["executors"] |= {
        "exec-count": container(
            COUNT, "{{$.inputs.parameters['part']}}", "{{$.outputs.artifacts['result'].path}}", "{{$}}"
        ),
        "exec-report": container(REPORT, "{{$}}", "{{$.outputs.artifacts['report'].path}}"),
    }
    loop = task(
        "loop",
        ["importer"],
        {
            "artifacts": {"photos": from_task("importer", "artifact")},
            "parameters": {"parts": {"componentInputParameter": "parts"}},
        },
    )
    loop |= {"parameterIterator": {"itemInput": "item", "items": {"inputParameter": "parts"}}}
    report = task("report", ["loop"], {"artifacts": {"results": from_task("loop", "results")}})
    ir["root"]["dag"]["tasks"] = {"importer": ir["root"]["dag"]["tasks"]["importer"], "loop": loop, "report": report}
    del ir["root"]["inputDefinitions"]["parameters"]["factor"]
    ir["root"]["inputDefinitions"]["parameters"]["parts"] = {"parameterType": "LIST", "defaultValue": ["a"]}
    return tiny


def parts(text):
    return "--set", f"parts={list(text)}".replace("'", '"')


def states(counts, report="succeeded"):
    return {"importer": "succeeded", **{f"count-{n}": state for n, state in enumerate(counts, 1)}, "report": report}


@in_a_process
def test_one_item_is_a_task_of_the_usual_name(looped):
    assert looped.run() == 0
    assert looped.states() == {"importer": "succeeded", "count": "succeeded", "report": "succeeded"}
    assert looped.reported() == "a"


def test_every_item_has_a_task_and_the_next_one_gets_all_results_in_order(looped, capsys):
    assert looped.run(*parts("cab")) == 0
    assert looped.states() == states(["succeeded"] * 3)
    assert looped.reported() == "cab"
    record = looped.task_record("count-2")
    assert (record["parameters"], record["template"], record["label"]) == ({"part": "a"}, "count", "count-2")
    assert (looped.runs / record["log"]).read_text() == "part a\n"
    read = looped.task_record("report")["inputs"]["results"]
    assert [one["task"] for one in read] == ["count-1", "count-2", "count-3"]
    assert looped.run(*parts("cab")) == 0
    assert looped.states() == states(["cached"] * 3, "cached")
    assert looped.run(*parts("ba")) == 0  # other tasks of the same items
    assert looped.states() == states(["cached"] * 2)
    assert looped.reported() == "ba"


@in_a_process
def test_more_items_than_processors_all_run(looped):
    letters = "abcdefghijkl"[: len(os.sched_getaffinity(0)) + 2]
    assert looped.run(*parts(letters)) == 0
    assert looped.reported() == letters


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processors are needed to run two tasks at once")
@in_a_process
def test_items_run_at_the_same_time_each_on_its_share_of_the_processors(looped, capsys):
    looped.mood = {"MEET": "2"}
    assert looped.run(*parts("ab")) == 0
    output = capsys.readouterr().out
    logs = [(looped.runs / "latest" / f"count-{number}" / "log.txt").read_text() for number in (1, 2)]
    one, other = (set(eval(log.split("processors")[1])) for log in logs)
    assert not one & other
    assert one | other == os.sched_getaffinity(0)
    assert "  count-1 | " in output or "  count-2 | " in output  # whose line it is


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processors are needed to run two tasks at once")
@in_a_container
def test_containers_have_their_share_of_the_processors_too(looped):
    executor = looped.ir["deploymentSpec"]["executors"]["exec-count"]["container"]
    executor["command"][2] += "print('processors', sorted(os.sched_getaffinity(0)))\ntime.sleep(1)\n"
    assert looped.run(*parts("ab")) == 0
    logs = [(looped.runs / "latest" / f"count-{number}" / "log.txt").read_text() for number in (1, 2)]
    one, other = (set(eval(log.split("processors")[1])) for log in logs)
    assert not one & other
    assert one | other == os.sched_getaffinity(0)


def test_a_failure_lets_the_others_end_and_skips_what_needs_all_of_them(looped, capsys):
    looped.mood = {"BROKEN": "b"}
    assert looped.run(*parts("abc")) == 1
    assert looped.states() == states(["succeeded", "failed", "succeeded"], "skipped")
    error = capsys.readouterr().err
    assert "The task count-2 failed: exit code 1." in error
    assert "part b cannot work" in error
    looped.mood = {}
    assert looped.run(*parts("abc")) == 0
    assert looped.states() == states(["cached", "succeeded", "cached"])


@in_a_process
def test_every_failure_is_named(looped, capsys):
    looped.mood = {"BROKEN": "ac"}
    assert looped.run(*parts("abc")) == 1
    error = capsys.readouterr().err
    assert "The task count-1 failed: exit code 1." in error
    assert "part a cannot work" in error
    assert "The task count-3 failed too: exit code 1" in error
    assert "count-3/log.txt" in error


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processors are needed to run two tasks at once")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_reaches_all_that_runs_and_each_goes_on_from_where_it_was(looped, number, exit_code):
    process = looped.start(*parts("ab"), SLEEP="1")
    for _ in "ab":
        while "asleep" not in process.stdout.readline():
            assert process.poll() is None
    process.send_signal(number)
    output, error = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert "Run the same command again" in output
    assert "Traceback" not in error
    assert looped.states() == states(["stopped"] * 2, "skipped")
    assert looped.run(*parts("ab")) == 0
    for task_name, part in (("count-1", "a"), ("count-2", "b")):
        assert f"going on with {part}" in (looped.runs / "latest" / task_name / "log.txt").read_text()


@in_a_process
def test_from_and_to_mean_all_tasks_of_a_loop_or_one(looped):
    assert looped.run(*parts("ab"), "--to", "count") == 0
    assert looped.states() == {"importer": "succeeded", "count-1": "succeeded", "count-2": "succeeded"}
    assert looped.run(*parts("ab"), "--from", "count") == 0
    assert looped.states() == states(["succeeded"] * 2)
    assert looped.run(*parts("ab"), "--from", "count-2") == 0
    assert looped.states() == states(["cached", "succeeded"])
    assert looped.run(*parts("ab"), "--to", "count-2") == 0
    assert looped.states() == {"importer": "succeeded", "count-2": "cached"}


@in_a_process
def test_rerun_means_all_tasks_of_a_loop_or_one(looped):
    looped.run(*parts("abc"))
    assert looped.rerun("count") == 0
    assert looped.states() == {"importer": "cached", **{f"count-{number}": "succeeded" for number in (1, 2, 3)}}
    assert looped.rerun("count-2", "--and-after") == 0
    assert looped.states() == {
        "importer": "cached", "count-1": "cached", "count-2": "succeeded", "count-3": "cached", "report": "cached"
    }  # fmt: skip
    assert looped.rerun("report") == 0
    assert looped.reported() == "abc"
    (looped.folder / "elsewhere").write_text("z")
    assert looped.rerun("report", "--input", f"results={looped.folder / 'elsewhere'}") == 0
    assert looped.reported() == "z"


@in_a_process
def test_rerun_with_other_items_says_what_is_missing(looped, capsys):
    looped.run()
    assert looped.rerun("report", *parts("ab")) == 2
    assert "The run has no result of count-1" in capsys.readouterr().err
    assert looped.rerun("count-2") == 2
    assert "no such task" in capsys.readouterr().err


@in_a_process
def test_the_commands_of_a_loop_can_be_printed(looped, capsys):
    looped.run(*parts("ab"))
    capsys.readouterr()
    assert looped.rerun("count", "--shell") == 0
    subprocess.run(["sh", "-ec", capsys.readouterr().out], check=True, cwd=REPOSITORY, capture_output=True)
    made = [(looped.runs / "by-hand" / f"count-{number}" / "result").read_text() for number in (1, 2)]
    assert made == ["a", "b"]
    assert looped.rerun("report", "--shell") == 0
    assert shlex.split(capsys.readouterr().out)[-1].endswith("by-hand/report/report")


@in_a_process
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts=[]", "A loop needs a list with something in it."),
        ("parts=3", "parts is a JSON list"),
        ("parts=[1]", "count.part is text"),
        ("count.part=x", "count.part is set by the loop"),
    ],
)
def test_wrong_items_are_refused_before_anything_starts(looped, text, message, capsys):
    assert looped.run("--set", text) == 2
    assert message in capsys.readouterr().err
    assert not looped.runs.exists()


@in_a_process
def test_the_summary_adds_up_what_the_tasks_of_a_loop_counted(looped, capsys):
    looped.ir["components"]["comp-loop"]["dag"]["tasks"] = {
        "extract": looped.ir["components"]["comp-loop"]["dag"]["tasks"]["count"]
    }
    outputs = looped.ir["components"]["comp-loop"]["dag"]["outputs"]["artifacts"]["results"]
    outputs["artifactSelectors"][0]["producerSubtask"] = "extract"
    assert looped.run(*parts("abc")) == 0
    assert "9 faces found in 6 photos" in capsys.readouterr().out

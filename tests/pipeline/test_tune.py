"""`facenet tune` on a pipeline whose training is a formula: stopped and killed, it comes to the same winner."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.records.files import read_search
from pipelines.tune import main
from tests.pipeline.conftest import IR, REPOSITORY, artifact, component, container, from_task, task

# The score rises with the rounds towards what the settings are worth. What is kept is how many rounds were done.
TRAIN = """
import json, os, pathlib, sys, time
faces, checkpoint, rate, margin, rounds, until, description = sys.argv[1:]
kept = pathlib.Path(checkpoint).with_name("training")
kept.mkdir(exist_ok=True)
state = kept / "state"
done = int(state.read_text()) if state.exists() else 0
last = int(until) or int(rounds)
print("from round", done, "to", last, flush=True)
for number in range(done + 1, last + 1):
    time.sleep(float(os.environ.get("ROUND", "0")))
    beside = kept / "beside"
    beside.write_text(str(number))
    beside.replace(state)
if float(rate) > 0.9:
    print("collapsed", flush=True)
    sys.exit(4)
if float(rate) > 0.8:
    sys.exit(1)
worth = 1 - abs(float(rate) - 0.3) - abs(float(margin) - 0.2)
auc = worth * last / (last + 2)
pathlib.Path(checkpoint).write_text(f"{rate} {margin} {last}")
said = json.loads(description)["outputs"]
metrics = said["artifacts"]["metrics"]["artifacts"][0]
about = {"validation_auc": round(auc, 6), "rounds": last, "kept_round": last}
pathlib.Path(said["outputFile"]).write_text(json.dumps({"artifacts": {"metrics": {"artifacts": [
    {"name": metrics["name"], "uri": metrics["uri"], "metadata": about}]}}}))
"""
SCORE = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text(pathlib.Path(sys.argv[1]).read_text())"
NUMBER = {"parameterType": "NUMBER_DOUBLE", "isOptional": True}
WHOLE = {"parameterType": "NUMBER_INTEGER", "isOptional": True}
SEARCH = {
    "search": {"mine-and-train.rate": {"uniform": [0, 0.6]}, "mine-and-train.margin": [0.1, 0.2, 0.3]},
    "trials": 9,
    "halving": 3,
}


def pipeline() -> dict[str, Any]:
    """photos -> mine-and-train -> score."""
    made = {"checkpoint": artifact("system.Model"), "metrics": artifact("system.Metrics")}
    parameters = {"rate": NUMBER, "margin": NUMBER, "rounds": WHOLE, "until": WHOLE}
    defaults = {"rate": 0.1, "margin": 0.2, "rounds": 9.0, "until": 0.0}
    defined = {name: {**kind, "defaultValue": defaults[name]} for name, kind in parameters.items()}
    trained = component(
        "exec-mine-and-train", {"artifacts": {"faces": artifact()}, "parameters": defined}, {"artifacts": made}
    )
    scored = component("exec-score", {"artifacts": {"checkpoint": artifact()}}, {"artifacts": {"report": artifact()}})
    words = [f"{{{{$.inputs.parameters['{name}']}}}}" for name in parameters]
    of = "{{$.inputs.artifacts['%s'].path}}"
    to = "{{$.outputs.artifacts['%s'].path}}"
    executors = {
        "exec-importer": IR["deploymentSpec"]["executors"]["exec-importer"],
        "exec-mine-and-train": container(TRAIN, of % "faces", to % "checkpoint", *words, "{{$}}"),
        "exec-score": container(SCORE, of % "checkpoint", to % "report"),
    }
    given = {"rounds": {"componentInputParameter": "rounds"}}
    tasks = {
        "importer": IR["root"]["dag"]["tasks"]["importer"],
        "mine-and-train": task(
            "mine-and-train",
            ["importer"],
            {"artifacts": {"faces": from_task("importer", "artifact")}, "parameters": given},
        ),
        "score": task(
            "score", ["mine-and-train"], {"artifacts": {"checkpoint": from_task("mine-and-train", "checkpoint")}}
        ),
    }
    inputs = {"photos": {"parameterType": "STRING"}, "rounds": {**WHOLE, "defaultValue": 9.0}}
    components = {
        "comp-importer": IR["components"]["comp-importer"],
        "comp-mine-and-train": trained,
        "comp-score": scored,
    }
    return IR | {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "root": {"inputDefinitions": {"parameters": inputs}, "dag": {"tasks": tasks}},
    }


class Tuned:
    """A search in a folder of its own."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.runs, self.file = folder / "runs", folder / "small.yaml"
        photos = folder / "photos" / "ada"
        photos.mkdir(parents=True)
        (photos / "1.jpg").write_text("12345")
        (folder / "tiny.yaml").write_text(yaml.safe_dump(pipeline()))
        self.write(**changes)
        self.flags = [str(self.file), "-i", str(folder / "photos"), "--pipeline", str(folder / "tiny.yaml")]
        self.flags += ["--runs", str(self.runs), "--at-once", "2"]

    def write(self, **changes: Any) -> None:
        self.file.write_text(yaml.safe_dump({**SEARCH, **changes}))

    def start(self, **mood: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "tune", *self.flags],
            cwd=REPOSITORY,
            env={**os.environ, **mood},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def came_to(self) -> Any:
        """All that a search came to, without the runs and the times."""
        record = read_search(self.runs, "small")
        assert record is not None
        trials = [
            (one["number"], one["settings"], [(part["until"], part["score"], part["state"]) for part in one["parts"]])
            for one in record.trials
        ]
        assert record.final is not None
        return record.state, record.winner, trials, (self.runs / record.final / "score" / "report").read_text()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    tuned = Tuned(tmp_path_factory.mktemp("done"))
    assert main(tuned.flags) == 0
    return tuned


def test_each_rung_keeps_a_third_and_goes_on_from_what_the_one_before_left(done):
    state, winner, trials, report = done.came_to()
    assert state == "succeeded"
    last = {number: parts[-1] for number, _, parts in trials}
    assert [sum(len(parts) >= rung for _, _, parts in trials) for rung in (1, 2, 3)] == [9, 3, 1]
    assert [part[0] for part in trials[winner - 1][2]] == [1, 3, 9]
    first = {number: parts[0][1] for number, _, parts in trials}
    three = sorted(first, key=lambda number: (-first[number], number))[:3]
    assert {number for number, _, parts in trials if len(parts) > 1} == set(three)
    assert last[winner][0] == 9
    assert report.endswith(" 9")
    record = read_search(done.runs, "small")
    parts = record.trials[winner - 1]["parts"]
    said = [(done.runs / part["run"] / "mine-and-train" / "log.txt").read_text() for part in parts]
    assert said == ["from round 0 to 1\n", "from round 1 to 3\n", "from round 3 to 9\n"]
    kept = [parts[2]["run"]]
    assert [
        run for run in (part["run"] for part in parts) if (done.runs / run / "mine-and-train/training").exists()
    ] == kept


def test_the_same_command_again_runs_nothing_and_what_it_says_to_type_is_answered_from_the_cache(done, capsys):
    before = sorted(path.name for path in done.runs.iterdir())
    came_to = done.came_to()
    assert main(done.flags) == 0
    assert done.came_to() == came_to
    assert sorted(path.name for path in done.runs.iterdir()) == before
    assert "facenet run" not in capsys.readouterr().err


def test_more_trials_are_those_before_and_others(done, tmp_path):
    record = read_search(done.runs, "small")
    tuned = Tuned(tmp_path, trials=3, halving=0)
    assert main(tuned.flags) == 0
    assert [one["settings"] for one in read_search(tuned.runs, "small").trials] == [
        one["settings"] for one in record.trials[:3]
    ]


def test_a_training_that_fails_by_its_settings_is_last_and_any_other_failure_stops_the_search(tmp_path, capsys):
    tuned = Tuned(tmp_path, search={"mine-and-train.rate": [0.95, 0.2, 0.3]}, sampler="grid", trials=3, halving=0)
    assert main(tuned.flags) == 0
    assert tuned.came_to()[1] == 3
    assert "trial   1     9 rounds  failed: exit code 4" in capsys.readouterr().out
    tuned.write(search={"mine-and-train.rate": [0.2, 0.85]}, sampler="grid", trials=2, halving=0)
    assert main(tuned.flags) == 1
    said = capsys.readouterr()
    assert "The task mine-and-train failed: exit code 1." in said.err
    assert read_search(tuned.runs, "small").state == "failed"
    tuned.write(search={"mine-and-train.rate": [0.95]}, sampler="grid", trials=1, halving=0)
    assert main(tuned.flags) == 1
    assert "No trial came to a score." in capsys.readouterr().err


def test_a_sampler_that_learns_draws_by_what_is_done_and_by_nothing_else(tmp_path):
    changes = {"sampler": "tpe", "halving": 0, "trials": 6}
    one, other = (Tuned(tmp_path / name, **changes) for name in ("one", "other"))
    assert main([*one.flags, "--at-once", "3"]) == 0
    assert main([*other.flags, "--at-once", "1"]) == 0
    assert one.came_to() == other.came_to()


def test_other_photos_are_another_search_under_the_same_name(tmp_path, capsys):
    tuned = Tuned(tmp_path, trials=1, halving=0)
    assert main(tuned.flags) == 0
    first = read_search(tuned.runs, "small")
    (tmp_path / "photos" / "ada" / "2.jpg").write_text("more")
    assert main(tuned.flags) == 0
    assert "have changed since: trials are done again" in capsys.readouterr().out
    assert read_search(tuned.runs, "small").final != first.final


def test_ctrl_c_stops_it_and_the_same_command_goes_on(done, tmp_path):
    tuned = Tuned(tmp_path)
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tuned.start(ROUND="0.2") as process:
            for line in process.stdout:
                if line.startswith("Rung 1"):
                    process.send_signal(signal.SIGINT)
                    break
            rest = process.stdout.read()
    finally:
        signal.signal(signal.SIGINT, former)
    assert process.returncode == 130
    assert "Stopped. The same command goes on from here." in rest
    assert read_search(tuned.runs, "small").state == "stopped"
    states = {json.loads(file.read_text())["state"] for file in tuned.runs.glob("*/run.json")}
    assert states <= {"succeeded", "stopped"}
    assert main(tuned.flags) == 0
    assert tuned.came_to() == done.came_to()


@pytest.mark.kill
@pytest.mark.long
def test_killed_ten_times_at_random_it_comes_to_the_same_winner(done, tmp_path):
    tuned = Tuned(tmp_path)
    chance = random.Random(7)
    kills = 0
    while kills < 10:
        with tuned.start(ROUND="0.3") as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.5, 6.0))
            if process.poll() is not None:
                break
            process.kill()
            kills += 1
        time.sleep(0.2)
    assert kills == 10, "it was done before it was killed often enough"
    assert main(tuned.flags) == 0
    assert tuned.came_to() == done.came_to()


def test_without_anybody_for_validation_there_is_nothing_to_choose_by(tmp_path, capsys):
    tuned = Tuned(tmp_path, by="validation_accuracy", trials=1, halving=0)
    assert main(tuned.flags) == 1  # this training reports another score
    assert "Hold more people out: collect.validation" in capsys.readouterr().err
    for person in range(30):
        (tmp_path / "people" / str(person)).mkdir(parents=True)
        for photo in ("1.jpg", "2.jpg"):
            (tmp_path / "people" / str(person) / photo).touch()
    tuned.write(search={"mine-and-train.margin": [0.1]}, recipe="laptop", set={"collect.validation": 0})
    assert main([str(tuned.file), "-i", str(tmp_path / "people"), "--runs", str(tmp_path / "others")]) == 2
    assert "0 for validation" in capsys.readouterr().err
    assert main([*tuned.flags[:1], "-i", str(tmp_path / "people"), "--at-once", "0"]) == 2
    assert "--at-once is a number of trials." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("recipe: laptop\n", "This file is not a search."),
        ("search: {rounds: [1]}\ntrails: 3\n", "Did you mean trials?"),
        ("search: {rounds: [1]}\n", "How many trials?"),
        ("search: {rounds: [1]}\ntrials: 0\n", "`trials` is a number of trials, from 1 to 10,000."),
        ("search: {rounds: [1]}\ntrials: 2\nby: auc\n", "never those of the test"),
        ("search: {rounds: 3}\ntrials: 2\n", "What to try of rounds is a list of values, or a range."),
        ("search: {mine-and-train.rate: {log: [0, 1]}}\ntrials: 2\n", "above 0 for log"),
        ("search: {mine-and-train.rate: {uniform: [0, 1]}}\nsampler: grid\n", "A grid is made of lists."),
        ("search: {mine-and-train.rat: [1]}\ntrials: 2\n", "Did you mean mine-and-train.rate"),
        ("search: {mine-and-train.rate: [fast]}\ntrials: 2\n", "mine-and-train.rate is a number."),
        ("search: {rounds: {uniform: [1.5, 3]}}\ntrials: 2\n", "rounds is a whole number."),
        ("search: {rounds: [1]}\ntrials: 2\nsampler: tpe\nhalving: 2\n", "Leave out one of the two."),
        ("search: {photos: [a, b]}\ntrials: 2\n", "The photos are given with -i."),
        ("search: {rounds: [1]}\nset: {rounds: 3}\ntrials: 2\n", "under search and under set"),
        ("search: [", "The search file cannot be read."),
    ],
)
def test_a_search_file_with_a_mistake_is_refused_with_what_to_do(tmp_path, capsys, content, said):
    tuned = Tuned(tmp_path)
    tuned.file.write_text(content)
    assert main(tuned.flags) == 2
    assert said in capsys.readouterr().err
    assert not tuned.runs.exists()

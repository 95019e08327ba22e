"""docker/compose.yaml: the pipeline with nothing but Docker, under the old docker-compose and the new one."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cache.content import TABLES, Contents
from pipelines.compile import COMPOSE_FILE, DEFAULT_OUTPUT, compile_compose
from pipelines.compiled import ir
from pipelines.compose import compose_file
from pipelines.look import history
from pipelines.look.show import main as show
from pipelines.plan.changes import with_setting
from pipelines.plan.tasks import Constant, Container, Importer, Parameter, Pipeline, Task, TaskOutput
from pipelines.records.alive import is_alive
from pipelines.records.files import read_run
from pipelines.records.record import FAILED, PENDING, RUNNING, SKIPPED, STOPPED, SUCCEEDED, TaskRecord
from pipelines.runs import main as list_runs

SMALL = {
    "backbone": "small_resnet",
    "image_size": 32,
    "rounds": 1,
    "mine-and-train.max_batches": 2,
    "collect.test": 0.4,
    "export": "",
}


# The new one comes with the locked requirements, the old one from the system.
PROGRAMS = [Path(sys.executable).parent / "docker-compose", Path("/usr/bin/docker-compose")]


@pytest.fixture(params=PROGRAMS, ids=["new", "old"])
def program(request: pytest.FixtureRequest) -> Path:
    if not request.param.exists():
        pytest.skip(f"{request.param} is not installed")
    return request.param


def test_the_committed_file_is_fresh():
    assert COMPOSE_FILE.read_text() == compile_compose(DEFAULT_OUTPUT), "stale: run `facenet compile` and commit it"


def up(program: Path, file: Path, *services: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [str(program), "-p", f"facenet-{file.parent.name}".lower().replace("_", "-"), "-f", str(file)]
    there = {**os.environ, **env}
    done = subprocess.run([*words, "up", *services], capture_output=True, text=True, check=False, env=there)
    # The old one shows no output of services while it waits for them.
    done.stdout += subprocess.run([*words, "logs"], capture_output=True, text=True, check=True, env=there).stdout
    subprocess.run([*words, "down"], capture_output=True, check=True, env=there)
    return done


@pytest.fixture
def small(built: None, tmp_path: Path) -> Path:
    """The compose file of a pipeline that takes seconds."""
    pipeline = ir.read(DEFAULT_OUTPUT)
    for name, value in SMALL.items():
        pipeline = with_setting(pipeline, name, value)
    file = tmp_path / "compose.yaml"
    file.write_text(_standing_alone(compose_file(pipeline)))
    return file


def _standing_alone(services: dict[str, Any]) -> str:
    """A compose file that need not lie in the repository."""
    return yaml.safe_dump(services, sort_keys=False).replace("../pipelines:", f"{DEFAULT_OUTPUT.parent}/pipelines:")


@pytest.mark.long
@pytest.mark.docker
def test_compose_up_runs_the_pipeline_to_the_end_and_over_former_results(program, small, sample_photos):
    runs = small.parent / "runs"
    done = up(program, small, PHOTOS=str(sample_photos), RUNS=str(runs))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (runs / "evaluate" / "report" / "report.html").is_file(), done.stdout[-4000:] + done.stderr[-4000:]
    (run,) = history.runs(runs.parent)
    assert (run.record.id, run.state) == ("runs", SUCCEEDED)
    assert run.metrics["accuracy"] > 0.4
    assert run.record.settings["photos"] == str(sample_photos)
    before = (runs / "collect" / "dataset").stat()
    done = up(program, small, "collect", PHOTOS=str(sample_photos), RUNS=str(runs))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (runs / "collect" / "dataset").stat().st_ino != before.st_ino
    (run,) = history.runs(runs.parent)
    # What comes after collect waits for a service that nobody started.
    assert [task.state for task in history.tasks(runs.parent, run)] == [SUCCEEDED] * 2 + [PENDING] * 5


@pytest.mark.docker
def test_compose_stops_after_a_stage_that_failed(program, small, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()  # and nothing in it
    done = up(program, small, PHOTOS=str(photos), RUNS=str(tmp_path / "runs"))
    assert done.returncode != 0
    assert "no photo" in (done.stdout + done.stderr).lower()
    assert not (tmp_path / "runs" / "collect" / "dataset").exists()


@pytest.mark.docker
def test_compose_builds_an_image_that_is_not_there(program, tmp_path):
    images = yaml.safe_load(COMPOSE_FILE.read_text())
    service = images["services"]["collect"]
    service["image"] = "facenet-compose/collect"
    service["build"]["context"] = str(DEFAULT_OUTPUT.parent)
    (tmp_path / "compose.yaml").write_text(_standing_alone(images))
    subprocess.run(["docker", "rmi", service["image"]], capture_output=True, check=False)
    words = [program, "-f", tmp_path / "compose.yaml", "build", "collect"]
    subprocess.run(words, capture_output=True, check=True, env={**os.environ, "PHOTOS": "unused"})
    subprocess.run(["docker", "image", "inspect", service["image"]], capture_output=True, check=True)


def test_compose_understands_the_committed_file_and_says_that_it_needs_photos(program):
    def config(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        words = [program, "-f", COMPOSE_FILE, "config"]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=env)

    without = {name: value for name, value in os.environ.items() if name != "PHOTOS"}
    assert "Say where the photos are" in config(without).stderr
    done = config({**without, "PHOTOS": "/pictures"})
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == yaml.safe_load(COMPOSE_FILE.read_text())["services"].keys()


# What every task of the tiny pipeline does. As a stage it stops at SIGTERM: a process that is the first of a container
# dies of no signal that it does not handle.
STEP = """
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
given = json.loads(sys.argv[sys.argv.index("--executor_input") + 1])
outputs = given["outputs"]["artifacts"]
print(sys.argv[1], "reads", *(os.listdir(one["artifacts"][0]["uri"]) for one in given["inputs"]["artifacts"].values()))
if os.environ["SLEEP"] == sys.argv[1]:
    print("asleep")
    time.sleep(120)
if os.environ["FAIL"] == sys.argv[1]:
    sys.exit(7)
if os.environ["FORGET"] != sys.argv[1]:
    made = pathlib.Path(outputs["made"]["artifacts"][0]["uri"])
    made.mkdir(parents=True, exist_ok=True)
    (made / "text").write_text("of " + sys.argv[1])
numbers = outputs["metrics"]["artifacts"][0]
said = {"metrics": {"artifacts": [{"name": "metrics", "uri": numbers["uri"], "metadata": {"number": 5}}]}}
pathlib.Path(given["outputs"]["outputFile"]).write_text(json.dumps({"artifacts": said}))
"""
MOODS = ("FAIL", "SLEEP", "FORGET")
IMAGE = f"tiny-composed:{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


def step(name: str, *, before: str, reads: str = "made") -> Task:
    return Task(
        name=name,
        label=name,
        executor=Container(
            ("python", "-u", "-c", STEP, name, "--executor_input", "{{$}}"),
            {mood: f"${{{mood}:-}}" for mood in MOODS},
            image=IMAGE,
        ),
        parameters={"size": Parameter("NUMBER_INTEGER", 3)},
        sources={"size": Constant(4)},
        artifacts={"what": (TaskOutput(before, reads),)},
        outputs={"made": "system.Artifact", "metrics": "system.Metrics"},
        output_parameters={},
        after=frozenset({before}),
        cacheable=True,
        template=name,
    )


PHOTOS = Task(
    name="importer",
    label="photos",
    executor=Importer("photos"),
    **{key: {} for key in ("parameters", "sources", "artifacts", "output_parameters")},  # type: ignore[arg-type]
    outputs={"artifact": "system.Artifact"},
    after=frozenset(),
    cacheable=True,
    template="importer",
)
TINY = Pipeline(
    "tiny",
    {"photos": Parameter("STRING"), "rounds": Parameter("NUMBER_INTEGER", 36)},
    (
        PHOTOS,
        step("first", before="importer", reads="artifact"),
        step("middle", before="first"),
        step("last", before="middle"),
    ),
)


def until_asleep(task: Path) -> None:
    """Waits for a task to say so. Its record says that it is running before there is a log."""
    for _ in range(1200):
        log = task / "log.txt"
        if log.exists() and "asleep" in log.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"{task.name} does not begin")


class ByHand:
    """The services of the tiny pipeline, in the order that docker compose gives them, as processes."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.photos, self.run = folder / "runs", folder / "photos", folder / "runs" / "compose"
        (self.photos / "ada").mkdir(parents=True)
        self.run.mkdir(parents=True)
        self.services = compose_file(TINY, "laptop", {"rounds": 36})["services"]

    def start(self, name: str, **mood: str) -> subprocess.Popen[str]:
        places = {"/runs": str(self.run), "/photos": str(self.photos)}
        words = [
            re.sub("/runs|/photos", lambda found: places[found[0]], word) for word in self.services[name]["command"]
        ]
        return subprocess.Popen(
            [sys.executable, *(word.replace("$$", "$") for word in words[1:])],
            env={**os.environ, **dict.fromkeys(MOODS, ""), **mood, "RUNS": f"{self.run}/", "PHOTOS": str(self.photos)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def up(self, **mood: str) -> int:
        for name in self.services:
            process = self.start(name, **mood)
            self.output = process.communicate()[0]
            if process.returncode:
                return process.returncode
        return 0

    def now(self) -> history.Run:
        (run,) = history.runs(self.runs)
        return run

    def tasks(self) -> dict[str, TaskRecord]:
        return {task.task: task for task in history.tasks(self.runs, self.now())}

    def states(self) -> list[str]:
        return [task.state for task in self.tasks().values()]

    def until_asleep(self, task: str) -> None:
        until_asleep(self.run / task)


@pytest.fixture
def by_hand(tmp_path: Path) -> ByHand:
    return ByHand(tmp_path)


def test_a_run_by_compose_has_a_record_that_says_all_of_it(by_hand, capsys):
    assert by_hand.up() == 0
    run = by_hand.now()
    record = run.record
    assert (record.id, run.state, record.runner, record.recipe) == ("compose", SUCCEEDED, "compose", "laptop")
    assert record.settings == record.parameters == {"rounds": 36, "photos": str(by_hand.photos)}
    assert record.metrics == {name: {"number": 5} for name in ("first", "middle", "last")}
    assert record.seconds is not None and record.seconds > 0
    first, middle, last = by_hand.tasks().values()
    assert [task.state for task in (first, middle, last)] == [SUCCEEDED] * 3
    assert middle.after == ["first"] and middle.parameters == {"size": 4} and middle.exit_code == 0
    assert middle.seconds and middle.started and middle.ended and middle.peak_bytes
    assert first.inputs == {"what": [{"task": "", "path": str(by_hand.photos), "sha256": ""}]}
    assert middle.inputs == {
        "what": [{"task": "first", "path": "compose/first/made", "sha256": first.outputs["made"]["sha256"]}]
    }
    made = by_hand.runs / first.outputs["made"]["path"]
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    assert Contents(database).sha256(made) == first.outputs["made"]["sha256"]
    assert list_runs(["--runs", str(by_hand.runs)]) == 0
    assert re.search(r"compose +succeeded", capsys.readouterr().out)
    assert show(["compose/middle", "--runs", str(by_hand.runs)]) == 0
    assert "middle reads ['text']" in capsys.readouterr().out
    assert show(["compose/middle/made/text", "--runs", str(by_hand.runs)]) == 0
    assert "of middle" in capsys.readouterr().out


def test_a_run_by_compose_that_failed_is_failed_and_the_next_one_into_its_folder_is_not(by_hand):
    assert by_hand.up() == 0
    for task, states in (
        ("first", [FAILED, SKIPPED, SKIPPED]),
        ("middle", [SUCCEEDED, FAILED, SKIPPED]),
        ("last", [SUCCEEDED, SUCCEEDED, FAILED]),
    ):
        assert by_hand.up(FAIL=task) == 7
        assert (by_hand.now().state, by_hand.states()) == (FAILED, states)
        failed = by_hand.tasks()[task]
        assert (failed.exit_code, failed.message, failed.outputs) == (7, "exit code 7", {})
    assert by_hand.up() == 0
    assert (by_hand.now().state, by_hand.states()) == (SUCCEEDED, [SUCCEEDED] * 3)


def test_a_task_that_leaves_no_result_has_failed_whatever_it_answers(by_hand):
    assert by_hand.up(FORGET="middle") == 1
    assert "left no made" in by_hand.output
    assert (by_hand.now().state, by_hand.states()) == (FAILED, [SUCCEEDED, FAILED, SKIPPED])


@pytest.mark.parametrize(
    ("number", "state", "later"), [(signal.SIGTERM, STOPPED, SKIPPED), (signal.SIGKILL, "lost", PENDING)]
)
def test_a_run_by_compose_that_is_stopped_or_killed_says_so(by_hand, number, state, later):
    for name in ("begin", "first"):
        assert by_hand.start(name).wait() == 0
    assert by_hand.now().state == RUNNING  # between two containers
    process = by_hand.start("middle", SLEEP="middle")
    by_hand.until_asleep("middle")
    assert (by_hand.now().state, by_hand.states()) == (RUNNING, [SUCCEEDED, RUNNING, PENDING])
    process.send_signal(number)
    assert process.wait() == (143 if number == signal.SIGTERM else -9)
    assert (by_hand.now().state, by_hand.states()) == (state, [SUCCEEDED, state, later])


def test_when_no_container_follows_the_run_is_lost(by_hand):
    for name in ("begin", "first"):
        assert by_hand.start(name).wait() == 0
    os.utime(by_hand.run / ".alive")  # the while for the next one is over
    assert (by_hand.now().state, by_hand.states()) == ("lost", [SUCCEEDED, PENDING, PENDING])


def test_tasks_side_by_side_keep_their_run_alive_until_the_last_has_ended(by_hand):
    assert by_hand.start("begin").wait() == 0
    (by_hand.run / "first" / "made").mkdir()  # what middle reads
    one = by_hand.start("first", SLEEP="first")
    by_hand.until_asleep("first")
    other = by_hand.start("middle", SLEEP="middle")
    by_hand.until_asleep("middle")
    one.terminate()
    assert one.wait() == 143
    os.utime(by_hand.run / ".alive")
    assert is_alive(by_hand.runs, "compose")
    assert read_run(by_hand.runs, "compose").state == RUNNING
    other.terminate()
    assert other.wait() == 143
    assert (by_hand.now().state, by_hand.states()) == (STOPPED, [STOPPED, STOPPED, SKIPPED])


def test_runs_by_compose_and_by_the_runner_are_listed_by_when_they_began(by_hand):
    assert by_hand.up() == 0
    for identifier in ("20200101-000000-000", "20990101-000000-000"):
        shutil.copytree(by_hand.run, by_hand.runs / identifier)
        record = json.loads((by_hand.run / "run.json").read_text()) | {"id": identifier}
        (by_hand.runs / identifier / "run.json").write_text(json.dumps(record))
    listed = [run.record.id for run in history.runs(by_hand.runs)]
    assert listed == ["20990101-000000-000", "compose", "20200101-000000-000"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compose file of the tiny pipeline, whose image has of a component's code what all have."""
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copytree(DEFAULT_OUTPUT.parent / "components" / "common", folder / "components" / "common")
    (folder / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY components /app/components\nENV HOME=/tmp\n")
    subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, folder], check=True, capture_output=True)
    (folder / "compose.yaml").write_text(_standing_alone(compose_file(TINY)))
    return folder / "compose.yaml"


@pytest.mark.docker
def test_up_answers_whether_every_task_succeeded_so_does_the_record_and_up_again_runs_all_anew(program, tiny, tmp_path):
    (tmp_path / "photos").mkdir()
    runs = tmp_path / "runs" / "compose"
    where = ["-p", f"again-{tmp_path.name}".lower().replace("_", "-"), "-f", str(tiny)]
    env = {**os.environ, "PHOTOS": str(tmp_path / "photos"), "RUNS": str(runs)}
    try:
        for fails in ("first", "", "middle", "last", ""):
            command = [program, *where, "up"]
            done = subprocess.run(command, capture_output=True, check=False, text=True, env=env | {"FAIL": fails})
            assert (done.returncode == 0) == (not fails), done.stderr
            (run,) = history.runs(runs.parent)
            assert run.state == (FAILED if fails else SUCCEEDED)
            failed = [task.task for task in history.tasks(runs.parent, run) if task.state == FAILED]
            assert failed == [fails] * bool(fails)
    finally:
        subprocess.run([program, *where, "down"], capture_output=True, check=True, env=env)


@pytest.mark.docker
def test_ctrl_c_stops_a_run_by_compose_and_its_record_says_so(program, tiny, tmp_path):
    (tmp_path / "photos").mkdir()
    runs = tmp_path / "runs" / "compose"
    where = ["-p", f"stop-{tmp_path.name}".lower().replace("_", "-"), "-f", str(tiny)]
    env = {**os.environ, "PHOTOS": str(tmp_path / "photos"), "RUNS": str(runs), "SLEEP": "middle"}
    process = subprocess.Popen([program, *where, "up"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
    try:
        until_asleep(runs / "middle")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        (run,) = history.runs(runs.parent)
        assert run.state == STOPPED
        assert [task.state for task in history.tasks(runs.parent, run)] == [SUCCEEDED, STOPPED, SKIPPED]
    finally:
        process.kill()
        subprocess.run([program, *where, "down"], capture_output=True, check=True, env=env)

"""Two commands at one time in one runs folder: one is stopped at its worst moment, and the other one does its work."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from components.common.manifest import FACES, read
from pipelines.erase.search import Search
from pipelines.forget import main as forget
from pipelines.local.composed import main as composed
from pipelines.look.show import main as show
from pipelines.rerun import main as rerun
from pipelines.run import main as run
from tests.pipeline.conftest import Tiny
from tests.pipeline.drawn import drawn
from tests.races.stopped import Stopped, until

ADA, BOB, EVE = "ada lovelace", "bob", "eve"
COPY = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
WAIT = "import os, time\nwhile not os.path.exists({gate!r}): time.sleep(0.01)"
# What forget does to each manifest, and last.
REWRITES, NOTES = ("tempfile.mkdtemp", "*.partial"), ("os.rename", "*forgotten.json*")


class Small(Tiny):
    """A pipeline of two tasks that each hand on a copy of a faces manifest: photos -> count -> report."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "process")
        shutil.rmtree(self.photos)
        drawn(self.photos, ADA, BOB, EVE)
        executors = self.ir["deploymentSpec"]["executors"]
        for name in ("exec-count", "exec-report"):
            executors[name]["container"]["command"] = ["python", "-c", COPY]
            executors[name]["container"]["args"] = executors[name]["container"]["args"][:2]
        del self.ir["components"]["comp-count"]["outputDefinitions"]["artifacts"]["metrics"]
        assert self.run() == 0

    def stopped(self, command, *words: object, **where) -> Stopped:
        return Stopped(self.folder, command, *words, **where)

    def forgetting(self, name: str, **where) -> Stopped:
        return self.stopped(forget, name, "--runs", self.runs, **where)

    def running(self, *flags: str, **where) -> Stopped:
        return self.stopped(run, *self.arguments(*flags), **where)

    def people(self) -> set[str]:
        """Who is in any manifest of the runs folder."""
        folders = {file.parent for file in self.runs.rglob("part-*.parquet")}
        return {name for folder in folders for name in read(folder, FACES)["identity"].to_pylist()}

    def is_gone(self, name: str) -> bool:
        searched = Search(name, set(), set())(self.runs, set())
        return name not in self.people() and not searched.left and not list(self.runs.rglob("*.partial"))


@pytest.fixture
def small(tmp_path) -> Small:
    return Small(tmp_path)


FORGETTING = [("tempfile.mkstemp", "*"), ("sqlite3.connect", "*"), NOTES, ("os.remove", "*.forgetting.json*")]


@pytest.mark.parametrize("before", [REWRITES, *(pytest.param(one, marks=pytest.mark.long) for one in FORGETTING)])
def test_a_rerun_waits_for_who_forgets_and_takes_over_nobody_forgotten(small, before):
    forgetting = small.forgetting(ADA, before=before, nth=1 + (before == REWRITES))
    again = small.stopped(rerun, "report", "--runs", small.runs)
    again.says("Waiting: somebody is being forgotten")
    assert forgetting.go_on() == again.go_on() == 0, again.output()
    assert len(small.all_runs()) == 2 and small.is_gone(ADA) and small.people() == {BOB, EVE}


def test_a_run_waits_for_who_forgets_and_is_not_answered_with_what_was_before(small):
    shutil.rmtree(small.photos)
    drawn(small.photos, BOB, EVE)
    forgetting = small.forgetting(ADA, before=REWRITES, nth=2)
    other = small.running()
    other.says("Waiting: somebody is being forgotten")
    assert forgetting.go_on() == other.go_on() == 0, other.output()
    assert small.states()["count"] == "succeeded" and small.is_gone(ADA)


def test_two_who_forget_one_person_take_turns(small):
    one = small.forgetting(ADA, before=REWRITES, nth=2)
    other = small.forgetting(ADA)
    other.says("Waiting: somebody else is being forgotten")
    assert one.go_on() == 0 and other.go_on() == 2
    assert "Nobody of this name" in other.output() and small.is_gone(ADA)


def test_two_who_forget_two_people_take_turns(small):
    one = small.forgetting(ADA, before=REWRITES, nth=2)
    other = small.forgetting(BOB)
    other.says("Waiting: somebody else is being forgotten")
    assert one.go_on() == other.go_on() == 0, other.output()
    assert small.people() == {EVE} and small.is_gone(ADA) and small.is_gone(BOB)
    assert len(json.loads((small.runs / "forgotten.json").read_text())) == 2


def test_who_forgets_is_killed_and_another_one_who_waited_does_the_rest(small):
    one = small.forgetting(ADA, before=REWRITES, nth=2)
    other = small.forgetting(ADA)
    other.says("Waiting")
    one.kill()
    assert other.go_on() == 0, other.output()
    assert small.is_gone(ADA)


def test_who_forgets_is_killed_and_a_run_that_waited_begins(small):
    one = small.forgetting(ADA, before=REWRITES, nth=2)
    other = small.running("--no-cache")
    other.says("Waiting")
    one.kill()
    assert other.go_on() == 0, other.output()
    shutil.rmtree(small.photos)
    assert small.forgetting(ADA).go_on() == 0
    assert small.is_gone(ADA)


@pytest.mark.parametrize("before", [("os.mkdir", "*/count*"), ("subprocess.Popen", "*"), ("os.rename", "*run.json*")])
def test_who_forgets_is_told_of_a_run_that_is_going_on(small, before):
    other = small.running("--no-cache", before=before)
    forgetting = small.forgetting(ADA)
    assert forgetting.go_on() == 2
    assert "A run is going on in this folder." in forgetting.output()
    assert other.go_on() == 0, other.output()
    assert small.people() == {ADA, BOB, EVE} and small.forgetting(ADA).go_on() == 0


def test_a_task_that_outlives_its_runner_is_a_run_that_is_going_on(small):
    gate, waiting = small.folder / "gate", small.folder / "waiting"
    waits = f"open({str(waiting)!r}, 'w').close()\n{WAIT.format(gate=str(gate))}\n{COPY}"
    small.ir["deploymentSpec"]["executors"]["exec-report"]["container"]["command"] = ["python", "-c", waits]
    other = small.running("--no-cache")
    until(waiting.exists)
    other.kill()
    forgetting = small.forgetting(ADA)
    assert forgetting.go_on() == 2 and "fuser" in forgetting.output()
    gate.touch()
    until((small.runs / "latest" / "report" / "report" / "part-00000.parquet").exists)
    until(lambda: small.forgetting(ADA).go_on() == 0)
    assert small.is_gone(ADA)


def by_compose(small: Small, *words: str, **where) -> Stopped:
    """A service of docker/compose.yaml, as a process: it sees its run's folder only."""
    return small.stopped(composed, small.runs / "compose", *words, **where)


@pytest.fixture
def compose(small, monkeypatch) -> Small:
    """The same, with a run by docker compose beside the other one."""
    monkeypatch.setenv("RUNS", str(small.runs / "compose"))
    monkeypatch.setenv("PHOTOS", str(small.photos))
    return small


BEGIN = json.dumps(
    {"run": {"pipeline": "tiny", "pipeline_file": "", "recipe": None, "settings": {}, "parameters": {}},
     "tasks": [{"task": "report", "label": "report"}]}
)  # fmt: skip
MADE = {"artifacts": {"report": {"artifacts": [{"type": {"schemaTitle": "system.Artifact"}}]}}, "parameters": {}}


def copying(small: Small) -> list[str]:
    described = json.dumps({"outputs": MADE})
    return ["report", sys.executable, "-c", COPY, str(small.photos), str(small.runs / "compose/report/report"),
            "--executor_input", described]  # fmt: skip


def test_docker_compose_waits_for_who_forgets_and_the_other_way_round(compose):
    (compose.runs / "compose").mkdir()
    for words in (["begin", BEGIN], copying(compose)):
        assert by_compose(compose, *words).go_on() == 0
    forgetting = compose.forgetting(ADA, before=REWRITES, nth=2)
    again = by_compose(compose, "begin", BEGIN)
    again.says("Waiting: somebody is being forgotten")
    assert forgetting.go_on() == again.go_on() == 0
    assert compose.is_gone(ADA)
    task = by_compose(compose, *copying(compose), before=("subprocess.Popen", "*"))
    told = compose.forgetting(BOB)
    assert told.go_on() == 2 and "A run is going on" in told.output()
    assert task.go_on() == 0


@pytest.mark.parametrize("nth", range(1, 4))
def test_of_two_runs_of_one_key_both_are_right_and_the_next_one_is_answered(small, nth):
    small.ir["root"]["inputDefinitions"]["parameters"]["factor"]["defaultValue"] = 4.0
    shutil.rmtree(small.photos)
    drawn(small.photos, BOB)
    one = small.running(before=("os.rename", "*count/task.json*"), nth=nth)
    assert small.running().go_on() == 0
    assert one.go_on() == 0, one.output()
    assert small.running().go_on() == 0
    assert set(small.states().values()) <= {"succeeded", "cached"} and small.states()["count"] == "cached"
    for name in small.all_runs()[1:]:
        assert set(read(small.runs / name / "report" / "report", FACES)["identity"].to_pylist()) == {BOB}


def test_photos_that_change_while_they_are_read_answer_no_later_run(small):
    gate, former = small.folder / "gate", small.folder / "former"
    waits = f"{WAIT.format(gate=str(gate))}\n{COPY}"
    small.ir["deploymentSpec"]["executors"]["exec-count"]["container"]["command"] = ["python", "-c", waits]
    other = small.running()
    # Not "latest", which is the former run for a moment yet.
    until(lambda: len(small.all_runs()) == 2 and (small.runs / max(small.all_runs()) / "count" / "log.txt").exists())
    small.photos.rename(former)
    drawn(small.photos, BOB)
    gate.touch()
    assert other.go_on() == 0, other.output()
    shutil.rmtree(small.photos)
    former.rename(small.photos)
    assert small.run() == 0
    assert set(read(small.runs / "latest" / "report" / "report", FACES)["identity"].to_pylist()) == {ADA, BOB, EVE}


@pytest.mark.parametrize("nth", [1, 2])
def test_latest_becomes_another_run_while_it_is_shown(small, nth):
    shows = small.stopped(show, "latest", "--runs", small.runs, before=("open", "*task.json*"), nth=nth)
    assert small.run("--no-cache") == 0
    assert shows.go_on() == 0
    former, latest = small.all_runs()
    assert former in shows.output() and latest not in shows.output()


@pytest.mark.parametrize("nth", [1, 2])
def test_pages_are_asked_for_while_a_person_is_erased(small, server, nth):
    site, latest = server.show(small.runs), f"/runs/{small.all_runs()[0]}"
    paths = ["/", latest, f"{latest}/count", f"{latest}/count/result", f"{latest}/report/report"]
    assert ADA in site.get(paths[-1]).text
    forgetting = small.forgetting(ADA, before=REWRITES, nth=nth)
    assert {site.get(path).status for path in paths} == {200}
    assert forgetting.go_on() == 0
    assert not any(ADA in site.get(path).text for path in paths)

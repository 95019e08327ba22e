"""docker/compose.yaml: the pipeline with nothing but Docker, under the old docker-compose and the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.compile import COMPOSE_FILE, DEFAULT_OUTPUT, composed
from pipelines.compose import compose_file
from pipelines.local import ir
from pipelines.local.changes import with_setting

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
    assert COMPOSE_FILE.read_text() == composed(DEFAULT_OUTPUT), "stale: run `facenet compile` and commit it"


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
    file.write_text(yaml.safe_dump(compose_file(pipeline), sort_keys=False))
    return file


@pytest.mark.long
@pytest.mark.docker
def test_compose_up_runs_the_pipeline_to_the_end_and_over_former_results(program, small, sample_photos):
    runs = small.parent / "runs"
    done = up(program, small, PHOTOS=str(sample_photos), RUNS=str(runs))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (runs / "evaluate" / "report" / "report.html").is_file(), done.stdout[-4000:] + done.stderr[-4000:]
    before = (runs / "collect" / "dataset").stat()
    done = up(program, small, "collect", PHOTOS=str(sample_photos), RUNS=str(runs))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (runs / "collect" / "dataset").stat().st_ino != before.st_ino


@pytest.mark.docker
def test_compose_stops_after_a_stage_that_failed(program, small, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()  # and nothing in it
    done = up(program, small, PHOTOS=str(photos), RUNS=str(tmp_path / "runs"))
    assert done.returncode != 0
    assert "no photo" in (done.stdout + done.stderr).lower()
    assert not (tmp_path / "runs" / "collect").exists()


@pytest.mark.docker
def test_compose_builds_an_image_that_is_not_there(program, tmp_path):
    images = yaml.safe_load(COMPOSE_FILE.read_text())
    service = images["services"]["collect"]
    service["image"] = "facenet-compose/collect"
    service["build"]["context"] = str(DEFAULT_OUTPUT.parent)
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(images))
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

"""Which images `facenet images` builds and pushes. An engine that only writes down what it is asked stands for Docker:
the image for GPUs takes gigabytes, and a push needs a registry."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from components.common.errors import UsageError
from components.specification.images import REPOSITORY, reference, registry
from pipelines.build import main
from tests.stages import TASKS

REGISTRY = "registry.example/team"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Runs the command beside an engine that has no image, and gives back what it was asked."""
    log, engine = tmp_path / "asked", tmp_path / "docker"
    engine.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != image ]\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FACENET_REGISTRY", REGISTRY)
    reference.cache_clear()

    def run(*flags: str) -> list[list[str]]:
        assert main(list(flags)) == 0
        return [line.split() for line in log.read_text().splitlines()]

    yield run
    reference.cache_clear()


@pytest.fixture(scope="module")
def cluster_file(tmp_path_factory):
    """The pipeline for a cluster with GPUs; compiled elsewhere, because a process names the images but once."""
    file = tmp_path_factory.mktemp("cluster") / "cluster.yaml"
    words = [sys.executable, "-m", "pipelines.compile", "-o", str(file), "--gpus", "2"]
    environment = {**os.environ, "FACENET_REGISTRY": REGISTRY}
    subprocess.run(words, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    return file


def built_and_pushed(lines):
    built = {words[words.index("--tag") + 1]: words for words in lines if words[0] == "build"}
    pushed = {words[1] for words in lines if words[0] == "push"}
    return built, pushed


def test_whatever_a_compiled_file_names_is_built_and_pushed_and_nothing_else(asked, cluster_file):
    built, pushed = built_and_pushed(asked("--pipeline", str(cluster_file), "--push"))
    named = {line.split()[-1] for line in cluster_file.read_text().splitlines() if line.strip().startswith("image:")}
    assert set(built) == pushed == named
    gpus = reference("mine-and-train", "gpu")
    assert gpus in named
    assert "REQUIREMENTS=requirements-gpu.lock" in built[gpus]
    assert {name.split("/")[2].split(":")[0] for name in named} == set(TASKS.values())
    assert all(name.startswith(REGISTRY) for name in named)


@pytest.mark.usefixtures("asked")
def test_a_file_for_another_registry_is_refused_before_anything_is_built(cluster_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACENET_REGISTRY", "elsewhere.example/team")
    reference.cache_clear()
    assert main(["--pipeline", str(cluster_file)]) == 2
    error = capsys.readouterr().err
    assert f"Received: {REGISTRY}/" in error
    assert "facenet compile -o FILE" in error
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("given", "stands"),
    [("", "facenet"), ("registry.example/team/", "registry.example/team"), ("localhost:5000", "localhost:5000")],
)
def test_images_are_named_after_the_registry(given, stands, monkeypatch):
    monkeypatch.setenv("FACENET_REGISTRY", given)
    assert registry() == stands


@pytest.mark.parametrize("given", ["https://ghcr.io/me", "ghcr.io/MyOrg", "host//team", "a b", "host:port/team"])
def test_what_no_image_can_be_named_after_is_refused(given, monkeypatch):
    monkeypatch.setenv("FACENET_REGISTRY", given)
    with pytest.raises(UsageError, match=r"(?s)does not name a place.*in small letters"):
        registry()


@pytest.mark.parametrize("flags", [["--only", "extract"], ["--variant", "gpu"]])
def test_a_file_and_names_of_images_exclude_each_other(flags, capsys):
    assert main(["--pipeline", "pipeline.yaml", *flags]) == 2
    assert "Leave out --only and --variant." in capsys.readouterr().err


def test_where_requirements_are_not_locked_the_way_to_lock_them_is_said():
    with pytest.raises(UsageError, match="make lock") as error:
        reference("extract", "unlocked")
    assert error.value.received == "docker/extract/requirements-unlocked.lock"

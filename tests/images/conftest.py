"""The images, and a run of the pipeline in them, once for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import build, images
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.run import main as run

# Of a pipeline that takes seconds. Only parameters of the pipeline itself: Kubeflow sets no others.
SETTINGS = {"backbone": "small_resnet", "image_size": 32, "rounds": 2, "export": "int8"}


@pytest.fixture(scope="session")
def settings() -> dict[str, str | int]:
    """The parameters with which tests run the committed pipeline."""
    return SETTINGS


@pytest.fixture(scope="session")
def built() -> None:
    """Every component's image is there."""
    for component in images.COMPONENTS:
        build.build(component)


def run_in(runner: str, photos: Path, runs: Path) -> Path:
    """Runs the committed pipeline on photos; the folder of the run."""
    flags = ["-i", str(photos), "--runs", str(runs), "--runner", runner, "--pipeline", str(DEFAULT_OUTPUT)]
    given = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    assert run([*flags, "--recipe", "full", *given]) == 0
    return (runs / "latest").resolve()


@pytest.fixture(scope="session")
def in_containers(sample_photos: Path, built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the pipeline in containers, by the project's own runner."""
    return run_in("compose", sample_photos, tmp_path_factory.mktemp("containers"))

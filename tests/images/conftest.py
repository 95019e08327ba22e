"""The images, and a run of the pipeline in them, once for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.specification import images
from pipelines import build
from tests.conftest import run_pipeline


@pytest.fixture(scope="session")
def built() -> None:
    """Every component's image is there."""
    for component in images.COMPONENTS:
        build.build(component)


@pytest.fixture(scope="session")
def in_containers(once, sample_photos: Path, built: None) -> Path:
    """The folder of a run of the pipeline in containers, by the project's own runner."""
    runs = once("containers", lambda runs: run_pipeline(sample_photos, runs, "--runner", "compose"))
    return min(runs.glob("2*/"))

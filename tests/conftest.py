"""Sample photos and what the stages make of them, once for all tests."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

import components.model  # noqa: F401  # before any test imports TensorFlow: it says how that is to compute

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_PHOTOS = REPOSITORY.parent / "shared" / "data"


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# marker: (whether what it needs is here, what to do about it)
NEEDS = {
    "docker": (_docker_answers, "no Docker engine answers; start one and run `make images`, then these tests run too"),
    "browser": (lambda: CHROMIUM is not None, "no chromium here; install Debian's package `chromium`"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a Docker engine or a browser where there is none, and says how to run it."""
    for marker, (is_here, reason) in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not is_here():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _callers_by_name_alone() -> Iterator[None]:
    """kfp asks for its caller's name by the source of all callers: of 2.1 s of a compilation in a test, 1.8 s."""
    from kfp.dsl import pipeline_task

    def stack() -> list[Sequence[str | None]]:
        return [(), (None, None, None, sys._getframe(2).f_code.co_name)]

    with patch.object(pipeline_task, "inspect", SimpleNamespace(stack=stack)):
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def children() -> Callable[[], list[BaseProcess]]:
    """The processes that were started since the test began: those of a server for all tests are not the test's."""
    others = set(multiprocessing.active_children())
    return lambda: [process for process in multiprocessing.active_children() if process not in others]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fills a folder of a given name, once for all processes that run tests side by side."""
    base = tmp_path_factory.getbasetemp()
    # Of pytest-xdist each process has a folder in that of all.
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def sample_photos(once) -> Path:
    """24 people who do not exist, 4 photos each."""
    from components.sample.folder import draw

    return once("sample", lambda folder: draw(folder / "photos", identities=24, photos=4, seed=0)) / "photos"


@pytest.fixture(scope="session")
def faces(once, sample_photos: Path) -> Path:
    """The faces manifest of the sample photos; beside it lies the dataset collected from it."""
    from components.collect.__main__ import main as collect
    from components.extract.__main__ import main as extract

    def make(folder: Path) -> None:
        assert extract(["-i", str(sample_photos), "-o", str(folder / "faces")]) == 0
        assert collect(["-i", str(folder / "faces"), "-o", str(folder / "dataset")]) == 0

    return once("stages", make) / "faces"


@pytest.fixture(scope="session")
def dataset(faces: Path) -> Path:
    """The dataset collected from the sample faces."""
    return faces.parent / "dataset"


# Of a pipeline that takes seconds. Only parameters of the pipeline itself: Kubeflow sets no others.
SETTINGS = {"backbone": "small_resnet", "image_size": 32, "rounds": 2, "export": "int8"}


@pytest.fixture(scope="session")
def settings() -> dict[str, str | int]:
    """The parameters with which tests run the committed pipeline."""
    return SETTINGS


def run_pipeline(photos: Path, runs: Path, *flags: str) -> None:
    """Runs the committed pipeline on photos, with these settings and more flags."""
    from pipelines.compile import DEFAULT_OUTPUT
    from pipelines.run import main

    given = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    where = ["-i", str(photos), "--runs", str(runs), "--pipeline", str(DEFAULT_OUTPUT)]
    assert main([*where, "--recipe", "full", *given, *flags]) == 0


@pytest.fixture(scope="session")
def in_processes(once, sample_photos: Path) -> Path:
    """The folder of a run of the pipeline as plain processes."""
    return min(once("processes", lambda runs: run_pipeline(sample_photos, runs)).glob("2*/"))


@pytest.fixture(scope="session")
def powerless() -> list[str]:
    """What goes before a command so that the rights of files hold for it, even for root."""
    if os.getuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("as root, rights of files are tested with setpriv (util-linux), which is not here")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder of real photos that is not part of the repository."""
    if not REAL_PHOTOS.is_dir():
        pytest.skip(f"real photos are not here ({REAL_PHOTOS}); everything else is tested on sample photos")
    return REAL_PHOTOS

"""Sample photos and what the first stages make of them, once per test session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_PHOTOS = REPOSITORY.parent / "shared" / "data"


def _docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a Docker engine where there is none, and says how to run it."""
    marked = [item for item in items if item.get_closest_marker("docker")]
    if marked and not _docker_answers():
        reason = "no Docker engine answers; start one and run `make images`, then these tests run too"
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def sample_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 people who do not exist, 4 photos each."""
    from components.sample.folder import draw

    photos = tmp_path_factory.mktemp("sample") / "photos"
    draw(photos, identities=24, photos=4, seed=0)
    return photos


@pytest.fixture(scope="session")
def faces(sample_photos: Path) -> Path:
    """The faces manifest of the sample photos."""
    from components.extract.__main__ import main

    faces = sample_photos.parent / "faces"
    assert main(["-i", str(sample_photos), "-o", str(faces)]) == 0
    return faces


@pytest.fixture(scope="session")
def dataset(faces: Path) -> Path:
    """The dataset collected from the sample faces."""
    from components.collect.__main__ import main

    dataset = faces.parent / "dataset"
    assert main(["-i", str(faces), "-o", str(dataset)]) == 0
    return dataset


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder of real photos that is not part of the repository."""
    if not REAL_PHOTOS.is_dir():
        pytest.skip(f"real photos are not here ({REAL_PHOTOS}); everything else is tested on sample photos")
    return REAL_PHOTOS

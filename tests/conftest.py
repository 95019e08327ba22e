"""Sample photos and what the first stages make of them, once per test session."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_PHOTOS = REPOSITORY.parent / "shared" / "data"


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

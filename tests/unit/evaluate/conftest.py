"""Embeddings with a known structure, and the faces that they belong to."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.common.manifest import EMBEDDINGS, FACES, write
from tests.answers import checked_metrics

AWKWARD = "<b>O'Neil<b> & |co|"


def jpeg(colour):
    encoded = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(encoded, "JPEG")
    return encoded.getvalue()


def write_inputs(folder, *, identities=24, faces=4, noise=1.6, split=lambda number: "test"):
    """Embeddings around a random centre for each identity, and the faces manifest that they belong to."""
    rng = np.random.default_rng(0)
    embeddings, pictures = [], []
    for number in range(identities):
        identity, centre = AWKWARD if number == 0 else f"p{number}", rng.normal(size=16)
        for i in range(faces):
            vector = centre + noise * rng.normal(size=16)
            row = {"face_id": f"{number}-{i}", "identity": identity, "photo_path": f"{identity}/{i}.jpg"}
            embeddings.append(
                {
                    **row,
                    "split": split(number),
                    "embedding": vector / np.linalg.norm(vector),
                    "checkpoint_sha256": "ab" * 32,
                }
            )
            pictures.append(
                {
                    **row,
                    "photo_sha256": "0",
                    "box": [0, 0, 40, 40],
                    "crop_box": [0, 0, 40, 40],
                    "detector": "none",
                    "score": 1.0,
                    "phash": 0,
                    "image": jpeg((number * 9, i * 50, 90)),
                    "width": 40,
                    "height": 40,
                    "quality": 90.0 - i,
                }
            )
    write(folder / "embeddings", EMBEDDINGS, pa.Table.from_pylist(embeddings, schema=EMBEDDINGS.schema))
    write(folder / "faces", FACES, pa.Table.from_pylist(pictures, schema=FACES.schema), {"margin": 0.2})
    return folder


@pytest.fixture(scope="session", name="write_inputs")
def _write_inputs():
    return write_inputs


@pytest.fixture(autouse=True)
def _every_report_is_as_its_schema_says(tmp_path):
    yield
    for page in tmp_path.rglob("report.html"):
        checked_metrics(page.parent)

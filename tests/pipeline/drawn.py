"""A faces manifest without photos."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from components.common.manifest import FACES, write


def drawn(folder: Path, *names: str) -> Path:
    """Writes a faces manifest: two faces, of noise, of each person."""
    rows = []
    for number, name in enumerate(names * 2):
        pixels = np.random.default_rng([number, *name.encode()]).integers(0, 256, (16, 16, 3), np.uint8)
        image = io.BytesIO()
        Image.fromarray(pixels).save(image, "JPEG")
        row = dict.fromkeys(FACES.schema.names, 0) | {"box": [0] * 4, "crop_box": [0] * 4, "landmarks": None}
        row |= {"photo_path": f"{name}/{number}.jpg", "identity": name, "image": image.getvalue(), "detector": "drawn"}
        rows.append(row | {key: hashlib.sha256(pixels).hexdigest()[:32] for key in ("face_id", "photo_sha256")})
    write(folder, FACES, pa.Table.from_pylist(rows, schema=FACES.schema), {"margin": 0.25, "alignment": "none"})
    return folder

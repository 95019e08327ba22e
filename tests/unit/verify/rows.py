"""Embeddings of nobody, for galleries; also imported by processes that tests start, so nothing heavy is."""

from __future__ import annotations

import numpy as np

from components.common.preprocessing import Crop
from components.embed.network import Network
from components.verify.gallery import Enrollment

SIZE = 64


def unit(rows):
    """Rows of length 1, as float32."""
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def network(sha256="a" * 64):
    return Network(Crop(0.25, "none"), 32, SIZE, sha256, lambda images, bar: images)


def entries(count, start=0):
    """Faces of three people."""
    rows = unit(np.random.default_rng(start).normal(size=(count, SIZE)))
    return [Enrollment(f"p{i % 3}", f"{start + i:032x}", f"{i}.jpg", row) for i, row in enumerate(rows)]

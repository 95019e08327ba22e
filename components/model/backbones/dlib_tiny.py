"""`dlib_slim` with still fewer filters inside its blocks: for a Raspberry Pi 3."""

from __future__ import annotations

import keras

from components.model.backbones.dlib_slim import build_slim

INSIDE = (8, 16, 32, 56, 32)


def build(image_size: int) -> keras.Model:
    """1.2 M parameters, 256 features."""
    return build_slim(image_size, INSIDE, "dlib_tiny")

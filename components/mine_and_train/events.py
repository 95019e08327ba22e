"""TensorBoard's view of a training: scalars as event files, and embeddings with their faces for its projector."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from components.common.atomic import write_file
from components.mine_and_train.history import Round

_FACE = 48  # pixels in the sprite
# What tf.summary.scalar would say; that function itself needs TensorBoard to be installed.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars", content=b"\x08\x00"),
    data_class="DATA_CLASS_SCALAR",
)
_UNPLOTTED = ("number", "step", "phase")


class Events:
    """Writes a scalar for each number of each round, by training step.

    Args:
        folder: of the event files. Former ones are removed and the rounds so far written anew, so that a resumed
            training has no step twice.
        rounds: so far.
    """

    def __init__(self, folder: Path, rounds: Sequence[Round]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        for done in rounds:
            self.add(done)

    def add(self, done: Round) -> None:
        """Adds a round; what was not measured in it is left out."""
        with self._writer.as_default(done.step):
            for name, value in asdict(done).items():
                if name not in _UNPLOTTED and value is not None:
                    group = "validation" if name.startswith("validation_") else done.phase
                    tag = f"{group}/{name.removeprefix('validation_')}"
                    tf.summary.write(tag, tf.constant(value, tf.float32), metadata=_SCALAR)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def write_projector(
    folder: Path,
    embeddings: npt.NDArray[np.float32],
    names: Sequence[str],
    images: npt.NDArray[np.uint8] | None,
) -> None:
    """Writes embeddings as TensorBoard's projector reads them: vectors, names, and a sheet of faces.

    Args:
        folder: the event files' folder.
        embeddings: float32 [n, size].
        names: n identities.
        images: uint8 [n, s, s, 3]; None shows points instead of faces.
    """
    vectors = "".join("\t".join(f"{value:.6f}" for value in row) + "\n" for row in embeddings)
    write_file(folder / "vectors.tsv", vectors.encode())
    # One column has no header; a tab or a line break in a name would be another column or row.
    write_file(folder / "names.tsv", "".join(" ".join(name.split()) + "\n" for name in names).encode())
    lines = ['tensor_name: "embedding"', 'tensor_path: "vectors.tsv"', 'metadata_path: "names.tsv"']
    if images is not None:
        sheet = io.BytesIO()
        _sprite(images).save(sheet, "png")
        write_file(folder / "faces.png", sheet.getvalue())
        lines.append(f'sprite {{ image_path: "faces.png" single_image_dim: {_FACE} single_image_dim: {_FACE} }}')
    config = "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
    write_file(folder / "projector_config.pbtxt", config.encode())


def _sprite(images: npt.NDArray[np.uint8]) -> Image.Image:
    """Faces row by row in the smallest square sheet that holds them."""
    side = math.ceil(math.sqrt(len(images)))
    sheet = Image.new("RGB", (side * _FACE, side * _FACE))
    for number, image in enumerate(images):
        face = Image.fromarray(image).resize((_FACE, _FACE), Image.Resampling.LANCZOS)
        sheet.paste(face, (number % side * _FACE, number // side * _FACE))
    return sheet

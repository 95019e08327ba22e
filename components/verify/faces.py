"""Photo files -> their faces, embedded, one photo after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.cores import cores
from components.common.errors import FacenetError, UsageError
from components.common.formats import ENDINGS
from components.extract.photo import Extraction, Face, Which, faces_in
from components.extract.reasons import Reject
from components.extract.scan import below
from components.verify.model import Model

# A process of its own takes as long to start as a few photos take.
_PHOTOS_PER_PROCESS = 8


def photos_of(given: Sequence[Path], rejects: list[tuple[Path, Reject]]) -> list[Path]:
    """The photos that are given, or lie below given folders.

    Args:
        given: photos and folders.
        rejects: gets what is named like a photo and cannot be one.

    Raises:
        UsageError: nothing is given, something that does not exist, or a folder without a photo.
    """
    photos = []
    for path in given:
        if not path.exists():
            raise UsageError(
                "There is no such photo or folder.",
                received=path,
                advice="Give the path of a photo, or of a folder of photos.",
            )
        if not path.is_dir():
            photos.append(path)
            continue
        listing = below(path, loose=True)
        photos += [path / photo for photo in listing.photos]
        rejects += [(path / photo, reject) for photo, reject in listing.rejects.items()]
        if not listing.photos and not listing.rejects:
            raise UsageError(
                "There are no photos in this folder.",
                received=path,
                advice=f"Photos are files that end in {', '.join(ENDINGS)}.",
            )
    if not given:
        raise UsageError("Which photos?", received="no photos", advice="Give photos, or folders of them.")
    return photos


@dataclass(frozen=True)
class EmbeddedFace:
    """A face in a photo, and its embedding: float32 [embedding_size], unit length."""

    face: Face
    embedding: npt.NDArray[np.float32]


def embed_photo(photo: Path | bytes, model: Model, which: Which) -> list[EmbeddedFace] | Reject:
    """The faces of a photo, an image file or its bytes, from left to right, or why there is none."""
    faces = faces_in(photo, model.extraction(which))
    return faces if isinstance(faces, Reject) else _embed(faces, model)


def embed_photos(photos: Sequence[Path], model: Model, which: Which) -> Iterator[list[EmbeddedFace] | Reject]:
    """As `embed_photo`, for each photo in turn; of many, faces are found on all cores."""
    extraction = model.extraction(which)
    for faces in _extract(photos, extraction):
        yield faces if isinstance(faces, Reject) else _embed(faces, model)


def _extract(photos: Sequence[Path], extraction: Extraction) -> Iterator[Sequence[Face] | Reject]:
    workers = min(cores(), len(photos) // _PHOTOS_PER_PROCESS)
    if workers < 2:
        yield from (faces_in(photo, extraction) for photo in photos)
        return
    # Not at the top: it imports multiprocessing, which two photos should not wait for.
    from components.extract.photos import extract_photos

    for outcome in extract_photos(photos, extraction, workers):
        yield outcome.reject or outcome.faces


def _embed(faces: Sequence[Face], model: Model) -> list[EmbeddedFace]:
    return [EmbeddedFace(face, embedding) for face, embedding in zip(faces, model.embed(faces), strict=True)]


def reject_record(photo: object, reject: Reject) -> dict[str, Any]:
    """A photo without a face as plain values; `answers.schema.json` says what they are."""
    return {"photo": str(photo), "reason": reject.reason.value, "detail": reject.detail}


def no_face_error(rejects: Sequence[tuple[object, Reject]]) -> FacenetError:
    """The error for photos of which none gave a face; at least one."""
    photo, reject = rejects[0]
    return FacenetError(
        "A photo gave no face." if len(rejects) == 1 else "No photo gave a face.",
        received=f"{photo}: {reject.reason}, {reject.detail}",
        advice="Give photos that show a face from the front, at least 1/16 of the photo high.",
    )

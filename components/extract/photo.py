"""One photo -> its faces, or the reason why there are none. What the stage does to a photo, `verify` does too."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.alignment import NONE
from components.common.formats import format_of
from components.common.preprocessing import Crop, Detector, digest_of
from components.extract import blazeface
from components.extract.align import align
from components.extract.crop import Box, cut, encode, square
from components.extract.decode import Photo
from components.extract.detect import LARGER_SIDE, LONG_SIDE, NAME, NEARLY, THRESHOLD, Detection, detect
from components.extract.phash import phash
from components.extract.quality import Quality, measure
from components.extract.reasons import Reason, Reject, RejectedError

Which = Literal["central", "largest", "all", "only"]
# How much the middle of the photo counts where one face is taken of several; see `Detection.prominence`.
_PULL = {"central": 2.0, "largest": 0.0}

UNALIGNED = Crop(0.25, "none")
MAX_PIXELS = 100_000_000
# The widest pixel of the known formats: 16-bit PNG with alpha. A file of more bytes than this for every allowed pixel
# is not read into memory.
_BYTES_PER_PIXEL = 8


@dataclass(frozen=True)
class Extraction:
    """How faces are taken from a photo.

    Args:
        which: of several faces "central" takes the one that is large and near the middle of the photo, "largest" the
            largest, "all" every one; "only" rejects the photo.
        crop: what finds them, and how they are cut out.
        landmarks: dlib's landmark model of five points, to align them by; None where `crop` says "none", or another
            detector, which knows points of its own.
        max_pixels: a photo with more is not decoded, a JPEG of up to four times as many at half its size.
    """

    which: Which = "central"
    crop: Crop = UNALIGNED
    landmarks: Path | None = None
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class Face:
    """A face and its crop; the fields, and those of `quality`, are columns of the faces manifest: see there."""

    face_id: str
    box: Box
    crop_box: Box
    score: float
    landmarks: list[float] | None
    phash: int
    image: bytes
    width: int
    height: int
    quality: Quality


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Args:
        sha256: of the file's bytes; None when they could not be read.
        faces: sorted by box; empty when the photo was rejected.
        reject: why there is no face; None when there is one.
        misnamed: "HEIF named .jpg", where the content is of another format than the name says; else "".
    """

    sha256: str | None
    faces: tuple[Face, ...] = ()
    reject: Reject | None = None
    misnamed: str = ""


def detector_name(detector: Detector) -> str:
    """Name and version of a detector, as the manifest holds them.

    Raises:
        UsageError: it is not installed.
    """
    return NAME if detector == "dlib" else blazeface.name()


def extract_photo(path: Path, extraction: Extraction) -> Outcome:
    """Finds and cuts out the faces of a photo file. Whatever is wrong with the photo is in the outcome."""
    try:
        data = _read(path, extraction.max_pixels)
    except RejectedError as error:
        return Outcome(None, reject=error.reject)
    sha256, misnamed = hashlib.sha256(data).hexdigest(), _misnamed(path, data)
    try:
        return Outcome(sha256, tuple(_faces(data, extraction)), misnamed=misnamed)
    except RejectedError as error:
        return Outcome(sha256, reject=error.reject, misnamed=misnamed)


def _misnamed(path: Path, data: bytes) -> str:
    kind, ending = format_of(data), path.suffix.lower()
    return "" if kind is None or ending in kind.endings else f"{kind.name} named {ending}"


def faces_in(photo: Path | bytes, extraction: Extraction) -> tuple[Face, ...] | Reject:
    """The faces of one photo, cut out as the stage does, or why there is none.

    Args:
        photo: an image file, or its bytes.
        extraction: how faces are taken from it.

    Returns:
        At least one face, sorted by box, or the reject.
    """
    try:
        data = photo if isinstance(photo, bytes) else _read(photo, extraction.max_pixels)
        return tuple(_faces(data, extraction))
    except RejectedError as error:
        return error.reject


def _read(path: Path, max_pixels: int) -> bytes:
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise RejectedError(Reason.NOT_A_FILE, f"{path.name} is no regular file, or does not exist")
        size = path.stat().st_size
        if size > max_pixels * _BYTES_PER_PIXEL + 2**20:
            raise RejectedError(Reason.UNREADABLE, f"a file of {size / 1e6:,.0f} MB, too large to be a photo")
        return path.read_bytes()
    except OSError as error:
        raise RejectedError(Reason.UNREADABLE, f"the system refused: {error.strerror}") from error


def _faces(data: bytes, extraction: Extraction) -> list[Face]:
    photo = Photo(data, extraction.max_pixels)
    pull = _PULL.get(extraction.which)
    if extraction.crop.finder == "dlib":
        grey = photo.small("L", LONG_SIDE)
        faces = _detections(photo, grey, pull)
    else:
        faces = blazeface.detect(photo, small=pull is None)
        grey = photo.small("L", LONG_SIDE)  # comes out of the colours that were searched
    if not faces:
        raise RejectedError(Reason.NO_FACE, f"the detector found none in {photo.width} x {photo.height} pixels")
    if extraction.which == "only" and len(faces) > 1:
        raise RejectedError(Reason.SEVERAL_FACES, f"{len(faces)} faces")
    if pull is not None:
        faces = [max(faces, key=lambda face: face.prominence(photo.width, photo.height, pull))]
    fingerprint = phash(grey)
    return [_face(photo, face, extraction, fingerprint) for face in sorted(faces, key=lambda face: face.box)]


def _detections(photo: Photo, grey: npt.NDArray[np.uint8], pull: float | None) -> list[Detection]:
    """The faces of a photo; with a `pull` the large ones only, where there are any."""
    # Small faces beside a large one are searched for by nobody who wants one face: it took twice the time on portraits,
    # and chose no better.
    if pull is not None and (large := detect(grey, photo.width, photo.height, upsample=0)):
        return large
    nearly = detect(grey, photo.width, photo.height, threshold=NEARLY)
    if faces := [face for face in nearly if face.score > THRESHOLD]:
        return faces
    # Colour shows edges that grey does not, and takes half as long again: a second look where grey shows no face finds
    # one in every fourth such photo.
    faces = detect(photo.small("RGB", LONG_SIDE), photo.width, photo.height)
    if faces or not nearly or max(photo.width, photo.height) <= LONG_SIDE:
        return faces
    return detect(photo.small("L", LARGER_SIDE), photo.width, photo.height)


def cut_out(
    photo: Photo, face: Detection, crop: Crop, landmarks: Path | None
) -> tuple[Image.Image, Box, list[float] | None]:
    """Cuts a face out of its photo.

    Args:
        photo: the photo.
        face: as it was found there.
        crop: how it is cut out.
        landmarks: see `Extraction`.

    Returns:
        The crop, its box, and the landmarks, x and y in turn; None where it is not aligned.
    """
    if crop.alignment == NONE:
        crop_box = square(face.box, crop.margin, photo.width, photo.height)
        return cut(photo, crop_box), crop_box, None
    return align(photo, face.box, crop, landmarks, face.points)


def _face(photo: Photo, face: Detection, extraction: Extraction, fingerprint: int) -> Face:
    crop, crop_box, points = cut_out(photo, face, extraction.crop, extraction.landmarks)
    return Face(
        face_id=digest_of(crop)[:32],
        box=face.box,
        crop_box=crop_box,
        score=face.score,
        landmarks=points,
        phash=fingerprint,
        image=encode(crop),
        width=crop.width,
        height=crop.height,
        quality=measure(crop, extraction.crop, face.box, crop_box, face.score, points, face.points),
    )

"""Crops as they came -> rows of the faces manifest; their bytes are passed on, not coded again."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from components.common.errors import FacenetError
from components.common.formats import format_of
from components.common.preprocessing import LARGEST_IMAGE, digest_of, open_crop
from components.extract.reasons import Reject
from components.extract.workers import Died, Late, in_order
from components.import_faces.reasons import Reason
from components.import_faces.sample import LARGEST_BYTES, Sample

# Looked at in one turn: so many crops, or so many bytes of them.
_BATCH, _BATCH_BYTES = 128, LARGEST_BYTES
_SECONDS = 120.0  # a turn takes a twentieth of one
_AHEAD = 2  # turns for each process, whose crops are held in memory
_FORMATS = {"JPEG": ".jpg", "PNG": ".png"}

Placed = tuple[int, Sample]
# The position of a crop in its source, the crop, and its row of the faces manifest or why it has none.
Looked = tuple[int, Sample, dict[str, Any] | Reject]


class Seen(NamedTuple):
    """What is seen of a crop once it is decoded: the digests of its pixels and of its bytes, its side, its format."""

    digest: str
    sha256: str
    side: int
    ending: str


def look_at(samples: Iterable[Placed], workers: int) -> Iterator[Looked]:
    """Decodes crops, a few at a time, and says what each of them is.

    Args:
        samples: the crops, with their positions.
        workers: number of processes. For a single turn none is started.

    Yields:
        What became of each, in their order.
    """
    batches = _batches(samples)
    first, second = next(batches, []), next(batches, None)
    if second is None:
        yield from _rows(first, _see_all(_images(first)))
        return
    waiting = deque[list[Placed]]()

    def tasks() -> Iterator[list[bytes]]:
        for batch in chain((first, second), batches):
            waiting.append(batch)
            yield _images(batch)

    for result in in_order(_see_all, tasks(), workers, _SECONDS, _AHEAD):
        batch = waiting.popleft()
        yield from _rows(batch, _ended(len(batch)) if isinstance(result, Died | Late) else result)


def _ended(crops: int) -> list[Seen | Reject]:
    detail = "the process that decoded it ended" + (f", and with it {crops - 1} others" if crops > 1 else "")
    return [Reject(Reason.DAMAGED, detail)] * crops


def _batches(samples: Iterable[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    size = 0
    for position, sample in samples:
        batch.append((position, sample))
        size += len(sample.image)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _images(batch: Sequence[Placed]) -> list[bytes]:
    return [sample.image for _, sample in batch]


def _see_all(images: Sequence[bytes]) -> list[Seen | Reject]:
    return [see(image) for image in images]


def _rows(batch: Sequence[Placed], seen: Sequence[Seen | Reject]) -> Iterator[Looked]:
    for (position, sample), one in zip(batch, seen, strict=True):
        row = sample.reject or (one if isinstance(one, Reject) else row_of(sample, one))
        yield position, sample, row


def see(image: bytes) -> Seen | Reject:
    """Decodes a crop, which nobody may have made whole, and says what it is, or why it cannot be taken."""
    kind = format_of(image)
    if kind is None or kind.name not in _FORMATS:
        return Reject(Reason.NOT_AN_IMAGE, f"{'unknown' if kind is None else kind.name}: {image[:8]!r}")
    try:
        with open_crop(image) as picture:
            width, height = picture.size
            if max(width, height) > LARGEST_IMAGE:
                return Reject(Reason.TOO_LARGE, f"{width} x {height} pixels; {LARGEST_IMAGE} x {LARGEST_IMAGE} at most")
            if width != height:
                return Reject(Reason.NOT_SQUARE, f"{width} x {height} pixels")
            digest = digest_of(picture.convert("RGB"))
    except FacenetError as error:
        return Reject(Reason.DAMAGED, str(error.__cause__)[:200])
    return Seen(digest, hashlib.sha256(image).hexdigest(), width, _FORMATS[kind.name])


def row_of(sample: Sample, seen: Seen) -> dict[str, Any]:
    """The row of a crop in the faces manifest. A detector never saw it.

    In place of the perceptual hash of a photo it has a hash of the crop's pixels, so that nothing but the same pixels
    counts as a copy: README.md has the measurement.
    """
    box = [0, 0, seen.side, seen.side]
    return {
        "face_id": seen.digest[:32],
        "photo_path": photo_path(sample, seen.ending),
        "photo_sha256": seen.sha256,
        "identity": sample.identity,
        "box": box,
        "crop_box": box,
        "detector": "none",
        "score": 1.0,
        "landmarks": None,
        "phash": int(seen.digest[32:48], 16),
        "image": sample.image,
        "width": seen.side,
        "height": seen.side,
    }


def photo_path(sample: Sample, ending: str = "") -> str:
    """What a crop is called in manifests: the folder of its person, and its name."""
    named = sample.name if "." in sample.name else sample.name + ending
    return f"{sample.identity}/{named}" if sample.identity else named

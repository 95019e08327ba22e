"""Crops as they came -> rows of the faces manifest; their bytes are passed on, not coded again."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from components.common.errors import FacenetError
from components.common.formats import format_of
from components.common.preprocessing import LARGEST_IMAGE, digest_of, open_crop
from components.import_faces.reasons import Reason, Reject
from components.import_faces.sample import LARGEST_BYTES, Sample

# Looked at by one thread in turn: so many crops, or so many bytes of them.
_BATCH, _BATCH_BYTES = 128, LARGEST_BYTES
_FORMATS = {"JPEG": ".jpg", "PNG": ".png"}

# The position of a crop in its source, the crop, and its row of the faces manifest or why it has none.
Looked = tuple[int, Sample, dict[str, Any] | Reject]


def look_at(samples: Iterable[tuple[int, Sample]], workers: int) -> Iterator[Looked]:
    """Decodes crops, in threads and a few at a time, and says what each of them is.

    Yields:
        What became of each, in their order.
    """
    waiting = deque[Future[list[Looked]]]()
    with ThreadPoolExecutor(workers) as pool:  # Pillow decodes, and hashlib reckons, without Python's lock
        for batch in _batches(samples):
            waiting.append(pool.submit(_look_at_all, batch))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _batches(samples: Iterable[tuple[int, Sample]]) -> Iterator[list[tuple[int, Sample]]]:
    batch: list[tuple[int, Sample]] = []
    size = 0
    for position, sample in samples:
        batch.append((position, sample))
        size += len(sample.image)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _look_at_all(batch: Sequence[tuple[int, Sample]]) -> list[Looked]:
    return [(position, sample, sample.reject or row_of(sample)) for position, sample in batch]


def row_of(sample: Sample) -> dict[str, Any] | Reject:
    """The row of a crop in the faces manifest, or why it cannot have one.

    In place of the perceptual hash of a photo it has a hash of the crop's pixels, so that nothing but the same pixels
    counts as a copy: README.md has the measurement. A detector never saw the crop.
    """
    kind = format_of(sample.image)
    if kind is None or kind.name not in _FORMATS:
        return Reject(Reason.NOT_AN_IMAGE, f"{'unknown' if kind is None else kind.name}: {sample.image[:8]!r}")
    try:
        with open_crop(sample.image) as picture:
            width, height = picture.size
            if max(width, height) > LARGEST_IMAGE:
                return Reject(Reason.TOO_LARGE, f"{width} x {height} pixels; {LARGEST_IMAGE} x {LARGEST_IMAGE} at most")
            if width != height:
                return Reject(Reason.NOT_SQUARE, f"{width} x {height} pixels")
            digest = digest_of(np.asarray(picture.convert("RGB")))
    except FacenetError as error:
        return Reject(Reason.DAMAGED, str(error.__cause__)[:200])
    box = [0, 0, width, height]
    return {
        "face_id": digest[:32],
        "photo_path": photo_path(sample, _FORMATS[kind.name]),
        "photo_sha256": hashlib.sha256(sample.image).hexdigest(),
        "identity": sample.identity,
        "box": box,
        "crop_box": box,
        "detector": "none",
        "score": 1.0,
        "landmarks": None,
        "phash": int(digest[32:48], 16),
        "image": sample.image,
        "width": width,
        "height": height,
    }


def photo_path(sample: Sample, ending: str = "") -> str:
    """What a crop is called in manifests: the folder of its person, and its name."""
    named = sample.name if "." in sample.name else sample.name + ending
    return f"{sample.identity}/{named}" if sample.identity else named

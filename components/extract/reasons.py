"""Why a photo gave no face."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What the column `reason` of the rejects manifest may hold."""

    LOOSE = "loose"
    """The photo lies beside the identity folders, so nobody knows whose it is."""
    BAD_NAME = "bad-name"
    """The path is not UTF-8: no manifest can name it."""
    NOT_A_FILE = "not-a-file"
    """A pipe, a device, a socket or a broken link that is named like a photo."""
    UNREADABLE = "unreadable"
    """The system did not give the bytes, or the decoder could not make sense of them."""
    NOT_AN_IMAGE = "not-an-image"
    """The content is neither JPEG, PNG nor GIF, whatever the name says."""
    TRUNCATED = "truncated"
    """The end of the image is missing."""
    TOO_MANY_PIXELS = "too-many-pixels"
    """More pixels than `--max_pixels` allows."""
    NO_FACE = "no-face"
    """The detector found none."""
    SEVERAL_FACES = "several-faces"
    """More than one face, and `--faces only` was asked for."""
    WORKER_DIED = "worker-died"
    """The process that worked on the photo was killed, most likely because memory ran out."""


@dataclass(frozen=True)
class Reject:
    """A photo without a face: the reason, and for people the numbers or the library's own words."""

    reason: Reason
    detail: str


class RejectedError(Exception):
    """Ends the work on a photo from inside; never leaves this package."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reject = Reject(reason, detail)

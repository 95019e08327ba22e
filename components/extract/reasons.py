"""Why a photo gave no face."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What the column `reason` of the rejects manifest may hold; `MEANING` says it in words."""

    LOOSE = "loose"
    BAD_NAME = "bad-name"
    NOT_A_FILE = "not-a-file"
    UNREADABLE = "unreadable"
    NOT_AN_IMAGE = "not-an-image"
    NO_READER = "no-reader"
    TRUNCATED = "truncated"
    TOO_MANY_PIXELS = "too-many-pixels"
    NO_FACE = "no-face"
    SEVERAL_FACES = "several-faces"
    LOW_QUALITY = "low-quality"
    WORKER_DIED = "worker-died"
    TOO_SLOW = "too-slow"


MEANING = {
    Reason.LOOSE: "The photo lies beside the identity folders, so nobody knows whose it is.",
    Reason.BAD_NAME: "The path is not UTF-8: no manifest can name it.",
    Reason.NOT_A_FILE: "A pipe, a device, a socket or a broken link that is named like a photo.",
    Reason.UNREADABLE: "The system did not give the bytes or show the folder, or no decoder could make sense of them.",
    Reason.NOT_AN_IMAGE: "The content is in no format of photos that is known here, whatever the name says.",
    Reason.NO_READER: "Nothing that is installed reads this format; the detail says what to install.",
    Reason.TRUNCATED: "The end of the image is missing.",
    Reason.TOO_MANY_PIXELS: "More pixels than `--max_pixels` of extract allows; JPEG may have four times as many, "
    "WebP and JPEG 2000 half.",
    Reason.NO_FACE: "The detector found none.",
    Reason.SEVERAL_FACES: "More than one face, and `--faces only` was asked for.",
    Reason.LOW_QUALITY: "The picture of the face is below `--min_quality` of `facenet enroll`.",
    Reason.WORKER_DIED: "The process that worked on the photo was killed, most likely because memory ran out.",
    Reason.TOO_SLOW: "The process that worked on the photo was not done after two minutes, and was ended.",
}


@dataclass(frozen=True)
class Reject:
    """A photo or a crop that gave no face: the reason, and for people the numbers or the library's own words."""

    reason: StrEnum
    detail: str


class RejectedError(Exception):
    """Ends the work on a photo or a crop from inside; never leaves the stage."""

    def __init__(self, reason: StrEnum, detail: str) -> None:
        super().__init__(reason, detail)
        self.reject = Reject(reason, detail)

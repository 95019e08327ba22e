"""Why a crop was not taken over."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What the column `reason` of the rejects manifest may hold; `MEANING` says it in words."""

    DAMAGED = "damaged"
    NOT_AN_IMAGE = "not-an-image"
    NOT_SQUARE = "not-square"
    TOO_LARGE = "too-large"
    NO_IMAGE = "no-image"
    NO_IDENTITY = "no-identity"


MEANING = {
    Reason.DAMAGED: "The source, or the image in it, is cut off or holds what it should not.",
    Reason.NOT_AN_IMAGE: "It is neither JPEG nor PNG.",
    Reason.NOT_SQUARE: "A network sees squares: what is none would be distorted.",
    Reason.TOO_LARGE: "Larger than crops are: a photo, in which `facenet extract` finds the face.",
    Reason.NO_IMAGE: "There is an entry for a crop, and no image in it.",
    Reason.NO_IDENTITY: "Nothing says whose face it is, or not in a way that is understood.",
}

"""Who is trained on, who is validated on, and who is kept for the test: decided by the name alone, once and for all."""

from __future__ import annotations

import hashlib

from components.common.names import one_form

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def place_of(identity: str) -> float:
    """A number from 0 to 1 made from an identity's name: the test split takes the smallest, then validation."""
    digest = hashlib.sha256(one_form(identity).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(identity: str, validation: float, test: float) -> str:
    """The split of an identity: a function of its name alone.

    So no two splits share an identity, and nobody moves when other people are added or removed.

    Args:
        identity: the folder name, in either of Unicode's forms.
        validation: share of identities for validation, 0 to 1.
        test: share of identities for the test, 0 to 1.

    Returns:
        "train", "validation" or "test".
    """
    place = place_of(identity)
    if place < test:
        return TEST
    return VALIDATION if place < test + validation else TRAIN

"""Who is trained on, who is validated on, who is kept for the test: decided by name, for ever."""

from __future__ import annotations

import hashlib

from components.common.names import one_form

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def place_of(identity: str) -> float:
    """Where an identity stands among all names that there may be, 0 to 1: the test takes the first, then validation."""
    digest = hashlib.sha256(one_form(identity).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(identity: str, validation: float, test: float) -> str:
    """The split of an identity: a function of its name alone.

    So splits share no identity by construction, and adding or removing people moves nobody else.

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

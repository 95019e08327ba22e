"""Who is trained on, who is validated on, who is kept for the test: decided by name, for ever."""

from __future__ import annotations

import hashlib

from components.common.names import one_form

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


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
    digest = hashlib.sha256(one_form(identity).encode("utf-8", "surrogateescape")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return TEST
    return VALIDATION if place < test + validation else TRAIN

"""Names of people and photos, to be compared: Unicode writes one letter with an accent in two ways."""

from __future__ import annotations

import unicodedata


def one_form(name: str) -> str:
    """A name in Unicode's form NFC, in which equal names are equal texts; macOS writes them in another, NFD.

    Only what is compared or counted is put so: a path stays as the disk has it, or it would not be found there.
    """
    return unicodedata.normalize("NFC", name)

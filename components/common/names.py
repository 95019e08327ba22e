"""Names of people and photos, for comparing and for showing: whoever named a file chose every character of it."""

from __future__ import annotations

import re
import unicodedata

# What can steer a terminal or a page: control characters (C0, C1), ends of lines, changes of the writing direction, and
# lone surrogates, which no encoding has.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_form(name: str) -> str:
    """A name in Unicode's form NFC; file names made on macOS are in another form, NFD.

    Only names that are compared or counted are converted: a path must stay as it is on the disk to be found there.
    """
    return unicodedata.normalize("NFC", name)


def identity_of_unnamed(folder: str, face_id: str) -> str:
    """The identity of one face in a folder of people without names: two faces there may be one person, or two."""
    return f"{folder}{UNNAMED}{face_id}"


# No folder has it in its name.
UNNAMED = "/"


def is_unnamed(identity: str) -> bool:
    """Whether an identity is that of one face of a person without a name."""
    return UNNAMED in identity


def plain(text: object, keep: str = "") -> str:
    r"""A text in which everything that would steer a terminal or a page is written as an escape: `\x1b`, `\u202e`.

    Args:
        text: a text, or anything that can be converted to one.
        keep: characters that stay as they are, such as the ends of lines in a text of several.
    """
    return _STEERING.sub(lambda match: match[0] if match[0] in keep else ascii(match[0])[1:-1], str(text))

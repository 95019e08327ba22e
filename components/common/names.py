"""Names of people and photos, to be compared and to be shown: whoever named a file chose every character."""

from __future__ import annotations

import re
import unicodedata

# What steers whatever shows it: control characters (C0, C1), ends of lines, what turns the direction of writing, and
# halves of characters, which no encoding has.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_form(name: str) -> str:
    """A name in Unicode's form NFC: it writes a letter with an accent in one way, macOS in another, NFD.

    Only what is compared or counted is put so: a path stays as the disk has it, or it would not be found there.
    """
    return unicodedata.normalize("NFC", name)


def plain(text: object, keep: str = "") -> str:
    r"""A text in which what would steer a terminal or a page is written as escapes: `\x1b`, `\u202e`.

    Args:
        text: any, or what is a text to be shown.
        keep: what stays as it is, the ends of lines in what has several.
    """
    return _STEERING.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], str(text))

"""Whether a text names a person."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from urllib.parse import quote

from components.common.names import one_form, plain

ERASED = "(erased)"
# Neither in a longer name nor in a decimal number: `person-1` is not in `person-10`, `001` not in 0.001. Before it may
# stand what JSON and URLs write for a line break or a slash.
_BEFORE, _AFTER = r"(?:(?<![^\W_])(?<!\d\.)|(?<=\\[bfnrt])|(?<=%[0-9A-F]{2}))", r"(?![^\W_])(?!\.\d)"


def mentions(name: str, others: Iterable[str] = ()) -> Callable[[str], bool]:
    """Tells of a text whether a name stands in it as a word or as a part of a path.

    In either of Unicode's forms, plain or escaped as in JSON, HTML, URLs and messages.

    Args:
        name: whose it is.
        others: names of others in which it stands: `Ann` is not meant where `Ann Lee` is written.
    """
    theirs = _spellings(name)
    # The longest first: of two that begin alike, the shorter one may end in the middle of a word.
    known = sorted(theirs.union(*map(_spellings, others)), key=len, reverse=True)
    pattern = re.compile(_BEFORE + f"(?:{'|'.join(map(re.escape, known))})" + _AFTER)
    return lambda text: not theirs.isdisjoint(pattern.findall(one_form(text.replace(ERASED, ""))))


def _spellings(name: str) -> set[str]:
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return {each for form in forms | set(map(plain, forms)) for each in _escapes(form)}


def _escapes(name: str) -> set[str]:
    page = html.escape(name)
    return {
        name,
        page,
        page.replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        json.dumps(name)[1:-1],
        json.dumps(name, ensure_ascii=False)[1:-1],
        quote(name, errors="surrogateescape"),
        repr(name)[1:-1],
        name.encode("unicode_escape").decode(),
    }

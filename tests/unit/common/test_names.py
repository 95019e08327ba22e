from __future__ import annotations

import pytest

from components.common.names import plain

STEERING = {
    "\x1b[31m": r"\x1b[31m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31m": r"\x9b31m",
    "a\nb\rc\td": r"a\nb\rc\td",
    "\x08\x00\x7f\x85": r"\x08\x00\x7f\x85",
    "\u202egpj.exe": r"\u202egpj.exe",
    "\u2066a\u2069\u200f\u061c": r"\u2066a\u2069\u200f\u061c",
    "\u2028\u2029": r"\u2028\u2029",
    "\udcff": r"\udcff",
}


@pytest.mark.parametrize(("text", "shown"), STEERING.items())
def test_what_steers_is_shown_as_escapes(text, shown):
    assert plain(text) == shown
    assert plain(f"a {text} b") == f"a {shown} b"


NAMES = (
    "Zo\u00eb",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u5c71\u7530\u3000\u592a\u90ce",
    "\u0646\u200c\u0645",
    "\U0001f600",
    "a\u00a0b",
    r"\x",
)


@pytest.mark.parametrize("text", NAMES)
def test_names_of_all_scripts_stay_as_they_are(text):
    assert plain(text) == text


def test_what_is_to_stay_stays():
    assert plain("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"

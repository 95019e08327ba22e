"""A trial of a search: its settings as one JSON object, which a loop of a cluster hands over whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from components.common.errors import MALFORMED, UsageError
from components.common.records import read_json

FLAG = "--trial"


def with_trial(argv: Sequence[str]) -> list[str]:
    """The arguments with the settings of `--trial` after them, where they count before what stands earlier.

    Raises:
        UsageError: it is no JSON object.
    """
    words = list(argv)
    given = [other for word, other in itertools.pairwise(words) if word == FLAG]
    for name, value in settings_of(given[-1] if given else "").items():
        words += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return words


def settings_of(text: str) -> dict[str, Any]:
    """The settings of a trial, by flag; none when the text is empty.

    Raises:
        UsageError: it is no JSON object.
    """
    try:
        settings = read_json(text or "{}")
    except MALFORMED:
        settings = None
    if not isinstance(settings, dict):
        raise UsageError(
            f"{FLAG} takes settings as a JSON object.", received=text, advice=f"""Write {FLAG} '{{"margin": 0.3}}'."""
        )
    return settings

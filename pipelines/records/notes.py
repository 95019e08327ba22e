"""What people say of a run, `RUNS/ID/notes.json`: a sentence, and tags. No runner writes it, and no cache reads it."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.atomic import write_file
from components.common.errors import MALFORMED, UsageError
from components.common.records import read_json

NOTES_FILE = "notes.json"
# The tag of a run that `facenet runs --prune` does not delete.
KEEP = "keep"
_TAG = re.compile(r"[\w.:/-]{1,40}")
_MOST_CHARACTERS, _MOST_BYTES = 2000, 2**16


@dataclass(frozen=True)
class Notes:
    """What people say of a run.

    Args:
        note: in their own words, "" for nothing.
        tags: words to find it by, sorted.
    """

    note: str = ""
    tags: tuple[str, ...] = ()


def read_notes(runs: Path, run: str) -> Notes:
    """What people say of a run; nothing where nobody did, and in place of what cannot be read, that it cannot be."""
    file = runs / run / NOTES_FILE
    try:
        # Anything may lie in a folder of runs: a pipe would be waited for, and a link may lead out of it.
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise ValueError("no plain file, or too large")
        said = read_json(file.read_bytes())
        if not isinstance(said["tags"], list):
            raise TypeError("tags are a list")
        return Notes(_note(said["note"]), _tags(said["tags"]))
    except FileNotFoundError:
        return Notes()
    except (OSError, UsageError, *MALFORMED) as error:
        return Notes(f"({NOTES_FILE} cannot be read: {type(error).__name__})")


def write_notes(runs: Path, run: str, notes: Notes) -> None:
    """Writes down what people say of a run; nothing leaves no file.

    Raises:
        UsageError: the note is too long, or a tag is no word.
    """
    file = runs / run / NOTES_FILE
    said = {"note": _note(notes.note), "tags": _tags(notes.tags)}
    if any(said.values()):
        write_file(file, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    else:
        file.unlink(missing_ok=True)


def _note(text: object) -> str:
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        raise UsageError(
            "This is no note: it is a text, and not a long one.",
            received=f"{len(text):,} characters" if isinstance(text, str) else text,
            advice=f"{_MOST_CHARACTERS:,} characters are the most.",
        )
    return text


def _tags(words: Sequence[object]) -> tuple[str, ...]:
    for word in words:
        if not isinstance(word, str) or not _TAG.fullmatch(word):
            raise UsageError(
                "A tag is one word.",
                received=word,
                advice="Of letters, digits and . : / _ -, 40 at most; sentences are for the note.",
            )
    return tuple(sorted(set(map(str, words))))

"""Takes whoever is forgotten out of what was said of photos."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from components.verify.corrections import (
    Corrections,
    Mention,
    Statement,
    read_corrections,
    sha256_of,
    write_corrections,
)


def unsay(
    path: Path, named: Callable[[str], bool], theirs: Callable[[Mention], bool], *, dry_run: bool = False
) -> set[Mention]:
    """Takes a person out of the file: their faces, those said to be one person with them, and photos that name them.

    Args:
        path: the file; there may be none.
        named: whether the path of a photo names them. If it has one face, that is theirs.
        theirs: whether a face is theirs by what else is known.
        dry_run: leave the file as it is.

    Returns:
        What is taken out.

    Raises:
        UsageError: the file cannot be read or written.
    """
    said = read_corrections(path)
    everything = {each for statement in said.same + said.different for each in statement}
    alone = {each for each in everything if not re.search(r"#\d+$", each.photo)}
    faces = {(each.sha256, each.box) for each in everything if theirs(each) or (each in alone and named(each.photo))}
    one_person = [{(each.sha256, each.box) for each in statement} for statement in said.same]
    while more := set().union(*(each for each in one_person if each & faces)) - faces:
        faces |= more
    gone = {each for each in everything if (each.sha256, each.box) in faces or named(each.photo)}
    if gone and not dry_run:
        kept = (tuple(filter(None, map(partial(_without, gone), kind))) for kind in (said.same, said.different))
        write_corrections(path, Corrections(*kept))
    return gone


def on_photos(photos: Iterable[str]) -> Callable[[Mention], bool]:
    """Tells the faces on some photos, of which each shows one face: by their paths, and where they are by content."""
    paths = set(photos)
    sha256 = {sha256_of(Path(photo)) for photo in paths if Path(photo).is_file()}
    return lambda mention: mention.photo in paths or mention.sha256 in sha256


def _without(gone: set[Mention], statement: Statement) -> Statement:
    """A statement about the others; empty where it says nothing of them."""
    others = tuple(each for each in statement if each not in gone)
    return others if len(others) > 1 else ()

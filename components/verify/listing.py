"""Who is in a gallery, for people to look at: how many faces, how good, since when, and the pictures that were kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from components.common.names import one_form
from components.verify.database import connect, has_descriptions, has_detectors

Order = Literal["name", "faces", "quality", "enrolled"]
ORDERS: tuple[Order, ...] = get_args(Order)
# What one looks for comes first: the most faces, the worst, the newest; what is not known last.
_BY = {"name": "name", "faces": "faces DESC", "quality": "worst IS NULL, worst", "enrolled": "last DESC"}
_PICTURES = 6  # of a person
# A picture that `enroll` keeps has some 4,000 bytes. Somebody else's file may hold anything.
_MOST_BYTES = 20_000
_JPEG = b"\xff\xd8\xff"
_PEOPLE = """
SELECT one_form(name) AS name, json_group_array(DISTINCT person.id) AS ids, count(*) AS faces,
       min({quality}) AS worst, avg({quality}) AS mean, min({enrolled}) AS first, max({enrolled}) AS last,
       json_group_array(DISTINCT {detector}) AS detectors, count({picture}) AS pictures
FROM person JOIN face ON person = person.id WHERE instr(folded(name), :search) GROUP BY one_form(name)
"""
_THEIR_PICTURES = """
SELECT person, picture FROM (
    SELECT person, picture, row_number() OVER (PARTITION BY person ORDER BY quality DESC, face_id) AS place FROM face
    WHERE person IN (SELECT value FROM json_each(:ids)) AND length(picture) <= :most
) WHERE place <= :pictures ORDER BY place
"""


@dataclass(frozen=True)
class Person:
    """Somebody in a gallery.

    Args:
        name: theirs.
        faces: how many of them.
        worst: the lowest quality of a face, 0 to 100; None where an older gallery does not say.
        mean: the mean quality.
        first: the day when the first face was enrolled, ISO, in UTC; None where an older gallery does not say.
        last: the same of the last.
        detectors: what found the faces.
        kept: how many pictures of faces are kept.
        pictures: some of them, the best faces first: JPEG.
    """

    name: str
    faces: int
    worst: float | None
    mean: float | None
    first: str | None
    last: str | None
    detectors: Sequence[str]
    kept: int
    pictures: Sequence[bytes]


@dataclass(frozen=True)
class Listing:
    """A page of the people in a gallery.

    Args:
        network: the SHA-256 of the network that made its embeddings.
        embedding_size: how many numbers each of them has.
        people: how many are in it.
        faces: how many faces, of all of them.
        matching: how many people have what was searched for in their names.
        page: some of these.
    """

    network: str
    embedding_size: int
    people: int
    faces: int
    matching: int
    page: Sequence[Person]


def list_people(gallery: Path, search: str = "", order: Order = "name", offset: int = 0, limit: int = 20) -> Listing:
    """A page of the people in a gallery.

    Args:
        gallery: its file.
        search: only people with this text in their names, whatever the case; "" for all.
        order: what comes first.
        offset: the first one of the page, among those that fit.
        limit: how many a page has.

    Raises:
        UsageError: there is no gallery, or it is none.
        FacenetError: it is damaged.
    """
    with connect(gallery, None, create=False) as (connection, size):
        connection.create_function("one_form", 1, one_form, deterministic=True)
        connection.create_function("folded", 1, _folded, deterministic=True)
        described = has_descriptions(connection)
        # What an older gallery does not say.
        columns = {name: name if described else "NULL" for name in ("quality", "enrolled", "picture")}
        columns["detector"] = "detector" if has_detectors(connection) else "'dlib'"
        people = _PEOPLE.format_map(columns)
        asked = {"search": _folded(search), "offset": max(0, offset), "limit": limit}
        matching = connection.execute(f"SELECT count(*) FROM ({people})", asked).fetchone()[0]  # noqa: S608 - ours
        rows = connection.execute(f"{people} ORDER BY {_BY[order]}, name LIMIT :limit OFFSET :offset", asked).fetchall()
        keys = {row[0]: json.loads(row[1]) for row in rows}
        shown = {"ids": json.dumps(list(chain(*keys.values()))), "most": _MOST_BYTES, "pictures": _PICTURES}
        pictures = connection.execute(_THEIR_PICTURES, shown).fetchall() if described else []
        network, everybody, faces = connection.execute(
            "SELECT sha256, (SELECT count(DISTINCT one_form(name)) FROM person), (SELECT count(*) FROM face) FROM model"
        ).fetchone()
    page = []
    for name, _, count, worst, mean, first, last, detectors, kept in rows:
        theirs = [jpeg for whose, jpeg in pictures if whose in keys[name] and jpeg.startswith(_JPEG)][:_PICTURES]
        page.append(Person(name, count, worst, mean, first, last, json.loads(detectors), kept, theirs))
    return Listing(network, size, everybody, faces, matching, page)


def _folded(name: str) -> str:
    return one_form(name).casefold()

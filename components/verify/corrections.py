"""What people say of faces that are sorted: these are one person, these are not. Said once, and kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any

from components.common.atomic import write_file
from components.common.errors import MALFORMED, UsageError
from components.common.records import is_version, read_json, whole
from components.extract.crop import Box, overlap

_VERSION = 1
# Two detectors draw boxes around one face that differ; those of two faces hardly touch.
_OVERLAP = 0.3


@dataclass(frozen=True)
class Mention:
    """A face that somebody named.

    Args:
        photo: its path then, and of several faces which one. For people only.
        sha256: of the photo's file, by which it is found wherever it lies.
        box: of the face.
    """

    photo: str
    sha256: str
    box: Box

    def shows(self, box: Box) -> bool:
        """Whether this is the face in another box of the same photo."""
        return overlap(self.box, box) >= _OVERLAP


Statement = tuple[Mention, ...]
Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Corrections:
    """All that was said: faces that are one person, and faces no two of which are."""

    same: tuple[Statement, ...] = ()
    different: tuple[Statement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.same or self.different)

    def with_more(self, same: Statement, different: Statement) -> Corrections:
        """These and two more; an empty one says nothing."""
        return replace(
            self,
            same=tuple(dict.fromkeys((*self.same, *filter(None, [same])))),
            different=tuple(dict.fromkeys((*self.different, *filter(None, [different])))),
        )


def read_corrections(path: Path) -> Corrections:
    """What the file holds; nothing where there is none.

    Raises:
        UsageError: it is no such file.
    """
    try:
        record = read_json(path.read_bytes())
        if not is_version(record["version"], _VERSION):
            raise ValueError(f"version {record['version']!r}; version {_VERSION} is read")
        return Corrections(*(tuple(_statement(each) for each in record[kind]) for kind in ("same", "different")))
    except FileNotFoundError:
        return Corrections()
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    except MALFORMED as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _unreadable(path: Path, reason: object) -> UsageError:
    return UsageError(
        "The corrections cannot be read.",
        received=f"{path} ({reason})",
        advice="Mend the file, move it away, or give another one with --corrections.",
    )


def _statement(record: Any) -> Statement:
    if not isinstance(record, list) or len(record) < 2:
        raise ValueError("two faces or more are needed")
    return tuple(_mention(each) for each in record)


def _mention(record: dict[str, Any]) -> Mention:
    x0, y0, x1, y1 = map(whole, record["box"])
    if x0 >= x1 or y0 >= y1:
        raise ValueError("a box is empty")
    for text in (record["photo"], record["sha256"]):
        if not isinstance(text, str):
            raise ValueError(f"a text is needed, not {text!r}")
    return Mention(record["photo"], record["sha256"], (x0, y0, x1, y1))


def write_corrections(path: Path, corrections: Corrections) -> None:
    """Writes the file whole.

    Raises:
        UsageError: it cannot be written.
    """
    write_file(path, json.dumps({"version": _VERSION, **asdict(corrections)}, indent=1) + "\n")


class KnownFaces:
    """The faces that are sorted, to find the named ones among them.

    Args:
        faces: of each, its photo and box; those of a photo beside each other, from left to right.
    """

    def __init__(self, faces: Sequence[tuple[Path, Box]]) -> None:
        self._faces = faces
        self._of_photo: dict[Path, list[int]] = defaultdict(list)
        for number, (photo, _) in enumerate(faces):
            self._of_photo[photo].append(number)
        # A photo that is there twice has its faces twice.
        self._copies: dict[str, list[list[int]]] = defaultdict(list)
        for photo, numbers in self._of_photo.items():
            self._copies[sha256_of(photo)].append(numbers)

    def named(self, text: str) -> Mention:
        """The face that somebody means by a photo's path, or by `PHOTO#2`, the second from the left.

        Raises:
            UsageError: there is no such photo, it is not sorted, or it is not clear which face is meant.
        """
        path, _, number = (text, "", "") if Path(text).exists() else text.rpartition("#")
        if not Path(path or text).is_file():
            raise UsageError(
                "There is no such photo to say something of.",
                received=text,
                advice="--same and --different take photos: facenet cluster FOLDER --same A.jpg B.jpg",
            )
        sha256 = sha256_of(Path(path))
        if sha256 not in self._copies:
            raise UsageError(
                "This photo is not among those that are sorted, or shows no face.",
                received=text,
                advice="Name photos of what is sorted, or copies of them.",
            )
        numbers = self._copies[sha256][0]
        boxes = [self._faces[each][1] for each in numbers]
        chosen = int(number or 1) if (number or "1").isdecimal() else 0
        if not 1 <= chosen <= len(boxes) or (not number and len(boxes) > 1):
            places = "; ".join(f"#{place} at {x0},{y0} to {x1},{y1}" for place, (x0, y0, x1, y1) in enumerate(boxes, 1))
            raise UsageError(
                "Which face of this photo is meant?",
                received=f"{text}, which has {places}",
                advice=f"Write {path}#1 for the first from the left.",
            )
        return Mention(self._name(numbers[chosen - 1]), sha256, boxes[chosen - 1])

    def _name(self, face: int) -> str:
        """What `named` takes for a face."""
        photo = self._faces[face][0]
        numbers = self._of_photo[photo]
        return f"{photo}#{numbers.index(face) + 1}" if len(numbers) > 1 else str(photo)

    def of(self, mention: Mention) -> list[int]:
        """The numbers of a face, one for each copy of its photo; none when it is not there."""
        found = []
        for numbers in self._copies.get(mention.sha256, ()):
            likeness, face = max((overlap(self._faces[each][1], mention.box), each) for each in numbers)
            if likeness >= _OVERLAP:
                found.append(face)
        return found

    def missing(self, corrections: Corrections) -> dict[str, str]:
        """The named faces that are not there, by how they were named, and why."""
        return {
            mention.photo: "no face found there any more"
            if mention.sha256 in self._copies
            else "not among these photos"
            for statement in corrections.same + corrections.different
            for mention in statement
            if not self.of(mention)
        }

    def pairs(self, corrections: Corrections) -> tuple[Pairs, Pairs]:
        """What follows of the faces, also by way of faces that are not there.

        Returns:
            Pairs of numbers of faces that connect all that are one person, and pairs of faces of two people.
        """
        one_person: dict[object, object] = {}

        def person(mention: Mention) -> object:
            face = self._face(mention)
            while (other := one_person.setdefault(face, face)) != face:
                face = other
            return face

        for statement in corrections.same:
            for one, other in pairwise(statement):
                one_person[person(one)] = person(other)
        faces: dict[object, list[int]] = defaultdict(list)
        for mention in dict.fromkeys(each for said in corrections.same + corrections.different for each in said):
            faces[person(mention)] += self.of(mention)
        different = (pair for statement in corrections.different for pair in combinations(map(person, statement), 2))
        return (
            [pair for of_one in faces.values() for pair in pairwise(of_one)],
            [pair for one, other in different for pair in product(faces[one][:1], faces[other][:1])],
        )

    def _face(self, mention: Mention) -> object:
        """What tells a face from others, there or not."""
        there = self.of(mention)
        return min(there) if there else (mention.sha256, mention.box)

    def check(self, corrections: Corrections) -> None:
        """Refuses what contradicts itself, also about faces that are not there.

        Raises:
            UsageError: with the names of the faces.
        """
        mentions = {mention: self.of(mention) for said in corrections.same + corrections.different for mention in said}
        # By what a face is called now, or was then if it is not there.
        names = {each: self._name(there[0]) if there else each.photo for each, there in mentions.items()}
        faces = {each: self._face(each) for each in mentions}
        one_person: dict[object, list[tuple[object, str]]] = defaultdict(list)
        for statement in corrections.same:
            for one, other in pairwise(statement):
                equation = f"{names[one]} = {names[other]}"
                one_person[faces[one]].append((faces[other], equation))
                one_person[faces[other]].append((faces[one], equation))
        for statement in corrections.different:
            for one, other in combinations(statement, 2):
                chain = _connected(one_person, faces[one], faces[other])
                if chain is not None:
                    because = ", ".join(chain) or "they are one face"
                    raise UsageError(
                        "What was said of these photos contradicts itself.",
                        received=f"{names[one]} ≠ {names[other]}, but {because}",
                        advice="Leave one of them out. What was said before is in the file of --corrections.",
                    )


def _connected(links: Mapping[object, Sequence[tuple[object, str]]], start: object, end: object) -> list[str] | None:
    """The shortest chain of equations from one face to another; None without one."""
    chains: dict[object, list[str]] = {start: []}
    waiting = deque([start])
    while waiting:
        face = waiting.popleft()
        for other, equation in links.get(face, ()):
            if other not in chains:
                chains[other] = [*chains[face], equation]
                waiting.append(other)
    return chains.get(end)


def sha256_of(photo: Path) -> str:
    """Of a photo's file."""
    with photo.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

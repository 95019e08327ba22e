"""Slices of the faces: by a file that says which group people are in, and by what is known of each face and photo."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.common import batches
from components.common.errors import UsageError, reason_of
from components.common.formats import FORMATS
from components.common.manifest import FACES, Folders, Stored
from components.common.names import one_form
from components.evaluate.embeddings import Embeddings, Names

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]

UNKNOWN = -1
_IDENTITY = "identity"
_QUARTERS = (0.25, 0.5, 0.75)
# A column of more different numbers than this is cut at its quartiles, as ages are; of fewer, each is a slice.
_MOST_NUMBERS = 10
_NAMED = 5
# What a manifest says of so many faces is looked up at a time.
_FACES_AT_ONCE = 1 << 16
_WIDTH = "width"
_FORMAT = {ending: one.name for one in FORMATS for ending in one.endings}
# The columns of a faces manifest that faces are divided by. Left or right, a head that is turned is turned.
_NUMBERS: dict[str, tuple[str, Callable[[Numbers], Numbers]]] = {
    "score": ("detector's score", np.asarray),
    "quality": ("quality of the face", np.asarray),
    "yaw": ("turn of the head in degrees", np.abs),
}


@dataclass(frozen=True)
class Column:
    """One way to divide faces into slices.

    Args:
        name: what it is called.
        slices: their names.
        place: int32 [faces], which of them each face is in; `UNKNOWN` for none.
    """

    name: str
    slices: list[str]
    place: Places


@dataclass(frozen=True)
class Groups:
    """A file of people's groups.

    Args:
        path: the file.
        columns: what the groups are of, as its first line says.
        of: by person, their group in each column; "" where it is not known.
    """

    path: Path
    columns: list[str]
    of: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> Groups:
        """Reads a CSV file: `identity` and one or more columns, a line for each person.

        Raises:
            UsageError: it cannot be read, or is anything else.
        """
        columns: list[str] = []
        groups: dict[str, list[str]] = {}
        for number, fields in _lines(path):
            if not columns:
                if len(fields) < 2 or fields[0] != _IDENTITY or len(set(fields)) < len(fields) or "" in fields:
                    raise _malformed("the first line must be `identity,group`, or name several columns", path, number)
                columns = fields[1:]
                continue
            identity, *of_person = fields
            if len(of_person) != len(columns):
                raise _malformed(f"it has {len(fields)} fields, and the first line {len(columns) + 1}", path, number)
            if not identity or identity in groups:
                raise _malformed(
                    f"the person {identity} is there twice" if identity else "nobody is named", path, number
                )
            groups[identity] = of_person
        if not groups:
            raise _malformed("it names nobody", path, 1)
        return cls(path, columns, groups)

    def slices(self, faces: Embeddings, known: Set[str]) -> tuple[list[Column], list[str]]:
        """How this file divides some faces, and what a reader must know of that, in sentences.

        Args:
            faces: those that are measured.
            known: all people that there are: somebody else is told as unknown.

        Raises:
            UsageError: the file knows nobody of those that are measured.
        """
        measured = set(faces.identity)
        if not measured & self.of.keys():
            raise UsageError(
                "None of the people measured is in this file of groups.",
                received=f"{self.path}, as {_listed(list(self.of))}; measured are {_listed(sorted(measured))}",
                advice="Its first column holds the names of the folders of photos.",
            )
        unknown = [identity for identity in self.of if identity not in known]
        without, told = measured - self.of.keys(), []
        if unknown:
            of_all = f"{len(unknown):,} of {len(self.of):,} people in {self.path.name}"
            told.append(f"{of_all} have no face here: {_listed(unknown)}.")
        if without:
            told.append(f"{len(without):,} of {len(measured):,} people measured are not in {self.path.name}.")
        nothing = [""] * len(self.columns)
        rows = [self.of.get(identity, nothing) for identity in faces.identity]
        return [_of_texts(name, [row[number] for row in rows]) for number, name in enumerate(self.columns)], told


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line that is not blank, names in Unicode's form NFC, and the line's number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for fields in reader:
                if fields:
                    yield reader.line_num, [one_form(field.strip()) for field in fields]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            "The file of groups cannot be read.",
            received=f"{path} ({reason_of(error)})",
            advice="Give a CSV file with commas, of lines `identity,group`.",
        ) from error


def _malformed(why: str, path: Path, line: int) -> UsageError:
    return UsageError(
        f"The file of groups is malformed: {why}.",
        received=f"{path}, line {line}",
        advice="Its first line is `identity,group`; each other one is a person and their group, with a comma between.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def slices_of_photos(faces: Embeddings, manifest: Folders) -> list[Column]:
    """How the photos' format, and what a faces manifest knows of each face, divide some faces.

    That is the width of the detector's box, its score, and the face's quality and pose where they were measured.

    Args:
        faces: those that are measured.
        manifest: the folders of the faces manifest; () for none.
    """
    columns = [_of_texts("format of the photo", list(map(_format, faces.photo_path)))]
    if not manifest:
        return columns
    stored = Stored(manifest, FACES, ["face_id", "photo_path", "box", *_NUMBERS])
    numbers = {name: np.empty(len(faces)) for name in (_WIDTH, *_NUMBERS)}
    for some in batches.slices(len(faces), _FACES_AT_ONCE):
        for name, values in _known(stored, faces.face_id[some], faces.photo_path[some]).items():
            numbers[name][some] = values
    columns.append(_of_numbers("width of the face in pixels", numbers.pop(_WIDTH)))
    for name, (label, as_condition) in _NUMBERS.items():
        columns.append(_of_numbers(label, as_condition(numbers.pop(name))))
    return columns


def _format(path: str) -> str:
    ending = PurePosixPath(path).suffix.lower()
    return _FORMAT.get(ending, ending)


def _known(stored: Stored, face_id: Names, photo_path: Names) -> dict[str, Numbers]:
    """By column what a faces manifest says of some faces, float64 [faces]; not a number where it says nothing."""
    ids = pa.array(face_id, pa.string())
    table = pa.concat_tables(some.filter(pc.is_in(some["face_id"], ids)) for some in stored)
    keys = zip(table["face_id"].to_pylist(), table["photo_path"].to_pylist(), strict=True)
    at = {key: row for row, key in enumerate(keys)}
    rows = pa.array([at.get(key) for key in zip(face_id, photo_path, strict=True)], pa.int64())
    width = pc.subtract(pc.list_element(table["box"], 2), pc.list_element(table["box"], 0))
    columns = {_WIDTH: width, **{name: table[name] for name in _NUMBERS}}
    return {name: values.take(rows).cast(pa.float64()).to_numpy() for name, values in columns.items()}


def _of_texts(name: str, values: Sequence[str]) -> Column:
    """Each text is a slice, and "" is none; but many different numbers are cut."""
    try:
        numbers = np.array([float(value or "nan") for value in values])
    except ValueError:
        pass
    else:
        if len(np.unique(numbers[np.isfinite(numbers)])) > _MOST_NUMBERS:
            return _of_numbers(name, numbers)
    slices = sorted(set(values) - {""})
    number = {text: place for place, text in enumerate(slices)} | {"": UNKNOWN}
    return Column(name, slices, np.fromiter((number[value] for value in values), np.int32, len(values)))


def _of_numbers(name: str, values: Numbers) -> Column:
    """Cuts numbers at their quartiles, rounded to three digits; what is no finite number is in no slice."""
    place = np.full(len(values), UNKNOWN, np.int32)
    known = np.isfinite(values)
    if not known.any():
        return Column(name, [], place)
    edges = np.unique([float(f"{edge:.3g}") for edge in np.quantile(values[known], _QUARTERS)])
    texts = [f"{edge:,.10g}" for edge in edges]
    names = [f"up to {texts[0]}", *(f"{low} to {high}" for low, high in pairwise(texts)), f"over {texts[-1]}"]
    used, place[known] = np.unique(np.searchsorted(edges, values[known]), return_inverse=True)
    return Column(name, [names[number] for number in used], place)

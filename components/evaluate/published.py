"""The layouts, other than LFW's, in which the field's lists of pairs are published.

    CFP           a folder FF or FP of `Protocol/Split`: NN/same.txt and NN/diff.txt, a fold each, with lines `i,j`. The
                  numbers are those of Protocol/Pair_list_F.txt, and of Pair_list_P.txt for the second photo of FP.
                  Sengupta et al., Frontal to Profile Face Verification in the Wild, 2016, and its Readme.txt.
    CALFW, CPLFW  two lines a pair, `NAME_0001.jpg flag`. 0 means different people; CALFW's other flags are folds, and
                  CPLFW's is 1. Zheng et al., Cross-Age LFW, 2017; Zheng and Deng, Cross-Pose LFW, 2018.
    labelled      `photo photo label`, 1 for one person and 0 for two, in folds of equal length: AgeDB-30 as text
                  (agedb_30_pair.txt; its own protocol is a MATLAB file), and CFP-FP (cfp_fp_pair.txt).
    .bin          insightface's sets, see `bin_file`.

Where folds are not written down they are tenths, in the order of the list, as in insightface's verification.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np

from components.common.errors import UsageError
from components.common.formats import ENDINGS
from components.common.quantity import quantity
from components.evaluate.bin_file import read_bin
from components.evaluate.folds import deal_pairs
from components.evaluate.pairs_list import PairsFile, Photo, is_number, lines_of, people_of

_FOLDS = 10
_MADE_FOR_ARCFACE = (
    "The faces are the set's own crops, which insightface cuts out by ArcFace's template: a network that is made for "
    "other crops is measured below its worth."
)
_NOBODY_NAMED = (
    "The list names nobody: photos that same-identity pairs connect count as one person, so there may be fewer people "
    "than are counted here."
)


def layout_of(path: Path) -> Callable[[Path], PairsFile] | None:
    """What reads a list, by its name and its first line; None when it is none of these layouts."""
    if path.is_dir():
        return _read_cfp if any(path.glob("[0-9]*/same.txt")) else None
    if path.suffix == ".bin":
        return _read_bin
    if path.suffix == ".mat":
        raise UsageError(
            "A protocol in MATLAB's format is not read.",
            received=path,
            advice="Of AgeDB-30, give insightface's agedb_30.bin, or a list of lines `photo photo label`.",
        )
    try:
        with path.open(encoding="utf-8-sig") as file:
            fields = file.readline(1000).split()
    except (OSError, UnicodeDecodeError):
        return None  # who reads it next says so
    if len(fields) == 2 and _is_photo(fields[0]) and is_number(fields[1]):
        return _read_flagged
    if len(fields) == 3 and all(map(_is_photo, fields[:2])) and fields[2] in ("0", "1"):
        return _read_labelled
    return None


def _is_photo(field: str) -> bool:
    return field.lower().endswith(ENDINGS)


def _refuse(why: str, path: Path, number: int, line: str) -> NoReturn:
    raise UsageError(
        f"Line {number} of a list of pairs is malformed: {why}.",
        received=f"{path}, line {number}: {line[:200]!r}",
        advice="The layouts are in components/evaluate/README.md. Is the file whole?",
    )


def _check_pair(one: str, other: str, path: Path, number: int, line: str) -> None:
    for photo in (one, other):
        parts = PurePosixPath(photo).parts
        if not _is_photo(photo) or ".." in parts or photo.startswith("/"):
            _refuse("a photo's path must lie below the folder and end as photos do", path, number, line)
    if one == other:
        _refuse("a photo is paired with itself", path, number, line)


def _read_flagged(path: Path) -> PairsFile:
    """CALFW's and CPLFW's."""
    lines, pairs, flags = lines_of(path), [], []
    for number in range(0, len(lines), 2):
        fields = [field for line in lines[number : number + 2] for field in line.split()]
        if len(fields) != 4 or not is_number(fields[1]) or fields[1] != fields[3]:
            _refuse("two lines `photo flag` with one flag make a pair", path, number + 1, lines[number])
        _check_pair(fields[0], fields[2], path, number + 1, lines[number])
        pairs.append((_named_as_lfw(fields[0]), _named_as_lfw(fields[2])))
        flags.append(int(fields[1]))
    flag, same = np.array(flags), np.array(flags) > 0
    numbers = np.unique(flag[same])
    _check_both_kinds(path, int(same.sum()), len(same))
    folds = len(numbers) if len(numbers) > 1 else _FOLDS
    fold = deal_pairs(same, min(folds, same.sum(), (~same).sum()))  # of different people, no list says the fold
    if len(numbers) > 1:
        fold[same] = np.searchsorted(numbers, flag[same])
    files = {photo: photo[1] for pair in pairs for photo in pair}
    return PairsFile(pairs, same.tolist(), fold.tolist(), [None] * len(pairs), files)


def _named_as_lfw(photo: str) -> Photo:
    name = PurePosixPath(photo).name
    return re.sub(r"_\d+\.\w+$", "", name), name


def _read_labelled(path: Path) -> PairsFile:
    photos: dict[str, int] = {}
    pairs, same = [], []
    for number, line in enumerate(lines_of(path), start=1):
        match line.split():
            case [one, other, ("0" | "1") as label]:
                _check_pair(one, other, path, number, line)
                pairs.append([photos.setdefault(photo, len(photos)) for photo in (one, other)])
                same.append(label == "1")
            case _:
                _refuse("it must be `photo photo label`, with 1 for one person and 0 for two", path, number, line)
    return _nameless(path, list(photos), pairs, same, [_NOBODY_NAMED])


def _read_bin(path: Path) -> PairsFile:
    bins = read_bin(path)
    first: dict[bytes, int] = {}  # the same image in several pairs is one face
    number = [first.setdefault(image, at) for at, image in enumerate(bins.images)]
    place = {at: row for row, at in enumerate(first.values())}
    pairs = [[place[number[2 * pair]], place[number[2 * pair + 1]]] for pair in range(len(bins.same))]
    names = [f"{at:06d}.jpg" for at in place]
    return _nameless(path, names, pairs, bins.same, [_MADE_FOR_ARCFACE, _NOBODY_NAMED])


def _nameless(
    path: Path, photos: Sequence[str], numbers: list[list[int]], same: list[bool], notes: list[str]
) -> PairsFile:
    """A list in tenths, of photos that are told apart by number."""
    _check_both_kinds(path, sum(same), len(same))
    person = people_of(np.array(numbers), same, len(photos))
    named = list(zip(person, photos, strict=True))
    pairs = [(named[one], named[other]) for one, other in numbers]
    sizes = [len(part) for part in np.array_split(same, min(_FOLDS, len(same)))]
    fold = np.repeat(np.arange(len(sizes)), sizes).tolist()
    files = {photo: photo[1] for photo in named}
    return PairsFile(pairs, same, fold, [None] * len(pairs), files, tuple(notes))


def _check_both_kinds(path: Path, same: int, pairs: int) -> None:
    if not 0 < same < pairs:
        raise UsageError(
            "A list of pairs needs pairs of both kinds.",
            received=f"{path}: {quantity(same, 'same-identity pair')} of {pairs:,}",
            advice="Is the file whole?",
        )


def _read_cfp(path: Path) -> PairsFile:
    folder = path.resolve()
    lists = folder.parent.parent
    first = _numbered(lists / "Pair_list_F.txt")
    second = _numbered(lists / "Pair_list_P.txt") if folder.name == "FP" else first
    pairs: list[tuple[Photo, Photo]] = []
    same: list[bool] = []
    fold: list[int] = []
    for number, split in enumerate(sorted(entry.parent for entry in folder.glob("[0-9]*/same.txt"))):
        for name in ("same.txt", "diff.txt"):
            for at, line in enumerate(lines_of(split / name), start=1):
                fields = [field.strip() for field in line.split(",")]
                if len(fields) != 2 or fields[0] not in first or fields[1] not in second:
                    _refuse("it must be `i,j`, two numbers of the lists of photos", split / name, at, line)
                pair = first[fields[0]], second[fields[1]]
                if pair[0] == pair[1]:
                    _refuse("a photo is paired with itself", split / name, at, line)
                pairs.append(pair)
                same.append(name == "same.txt")
                fold.append(number)
    _check_both_kinds(path, sum(same), len(same))
    files = {photo: "/".join(photo) for pair in pairs for photo in pair}
    return PairsFile(pairs, same, fold, [None] * len(pairs), files)


def _numbered(path: Path) -> dict[str, Photo]:
    """The photos of `Pair_list_F.txt` by their numbers: `1 ../Data/Images/001/frontal/01.jpg`."""
    photos: dict[str, Photo] = {}
    for number, line in enumerate(lines_of(path), start=1):
        fields = line.split()
        parts = PurePosixPath(fields[-1]).parts[-3:] if len(fields) == 2 else ()
        if len(parts) != 3 or ".." in parts or not _is_photo(parts[2]):
            _refuse("it must be `number ../Data/Images/person/pose/photo`", path, number, line)
        photos[fields[0]] = parts[0], f"{parts[1]}/{parts[2]}"
    return photos

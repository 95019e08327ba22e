"""Pairs from an LFW-style file: the pairs that others have measured on.

The first line is `folds<TAB>n` (as LFW's pairs.txt) or `n` (as pairsDevTest.txt, one fold); then follow, per fold, n
same-identity and n different-identity pairs:

    name    i    j              photos i and j of one identity
    name1   i    name2    j     photos of two identities
    identity/stem    identity/stem

Photo i of a name is the photo whose file name without ending is `name_%04d`, in the identity folder `name`. The third
form, not LFW's, takes any file name, with or without its ending, and the folders inside the identity's in which it
lies: CFP's `001/frontal/01`. Without them it is the only photo of that name below the identity. Fields are separated by
tabs, or by spaces in a line without tabs.

Nor is this line LFW's: it is no pair, and names the slice of the pairs below it, up to the next such line.

    # slice: name

Format: Huang et al., Labeled Faces in the Wild, 2007, and http://vis-www.cs.umass.edu/lfw/README.txt.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np

from components.common.errors import UsageError
from components.common.formats import ENDINGS
from components.common.names import one_form
from components.common.quantity import quantity
from components.evaluate.embeddings import Embeddings, Indices
from components.evaluate.folds import deal_pairs
from components.evaluate.pairs_list import PairsFile, Photo, is_number, lines_of
from components.evaluate.protocols import Missing, Pairs, Protocol
from components.evaluate.published import layout_of

_SLICE = "# slice:"
_ENDINGS = (*ENDINGS, ".ppm", ".pgm")  # published lists name photos in formats that were converted since
_MISSING_NAMED = 10
_BALANCED = 0.55  # above this share of one kind, accuracy flatters


def read_pairs_file(path: Path) -> PairsFile:
    """Reads a pairs file, or a list of another layout that `published` knows.

    Raises:
        UsageError: the file is no text, a line has none of the forms, or the number of pairs is not the first line's;
            or see `published`.
    """
    if (read := layout_of(path)) is not None:
        return read(path)
    lines = lines_of(path)
    folds, pairs_per_kind = _header(lines[0] if lines else "", path)
    pairs: list[tuple[Photo, Photo]] = []
    slices: list[str | None] = []
    current: str | None = None
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith(_SLICE):
            current = line.removeprefix(_SLICE).strip() or _refuse(line, number, path, "the slice has no name")
        else:
            pairs.append(_pair(line, number, path))
            slices.append(current)
    promised = folds * 2 * pairs_per_kind
    if len(pairs) != promised:
        raise UsageError(
            "The pairs file does not hold as many pairs as its first line says.",
            received=f"{path}, {quantity(len(pairs), 'pair')}; {lines[0].strip()!r} means {promised}",
            advice="The first line is `folds<TAB>n` or `n`: per fold, n same and n different pairs. Is the file whole?",
        )
    same = [first[0] == second[0] for first, second in pairs]
    return PairsFile(pairs, same, [number // (2 * pairs_per_kind) for number in range(promised)], slices)


def _header(line: str, path: Path) -> tuple[int, int]:
    fields = line.split()
    if len(fields) not in (1, 2) or not all(is_number(field) and int(field) for field in fields):
        _refuse(line, 1, path, "it must be `folds<TAB>n` or `n`, positive whole numbers")
    folds, pairs_per_kind = (int(field) for field in (["1", *fields])[-2:])
    return folds, pairs_per_kind


def _pair(line: str, number: int, path: Path) -> tuple[Photo, Photo]:
    fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
    match fields:
        case [name, i, j] if is_number(i) and is_number(j):
            first, second = _lfw_photo(name, i), _lfw_photo(name, j)
        case [name1, i, name2, j] if is_number(i) and is_number(j):
            first, second = _lfw_photo(name1, i), _lfw_photo(name2, j)
            if name1 == name2:
                _refuse(line, number, path, "the names of a pair of two people are equal")
        case [photo1, photo2] if "/" in photo1 and "/" in photo2:
            first, second = _path_photo(photo1), _path_photo(photo2)
        case _:
            _refuse(line, number, path, "it must be `name i j`, `name1 i name2 j` or `identity/stem identity/stem`")
    if first == second:
        _refuse(line, number, path, "a photo is paired with itself")
    return first, second


def _lfw_photo(name: str, number: str) -> Photo:
    return name, f"{name}_{int(number):04d}"


def _path_photo(text: str) -> Photo:
    identity, _, inside = text.partition("/")
    return identity, inside


def _without_ending(photo: Photo) -> Photo:
    identity, inside = photo
    ending = PurePosixPath(inside).suffix
    return identity, inside.removesuffix(ending) if ending.lower() in _ENDINGS else inside


def _refuse(line: str, number: int, path: Path, why: str) -> NoReturn:
    raise UsageError(
        f"Line {number} of the pairs file is malformed: {why}.",
        received=f"{path}, line {number}: {line[:200]!r}",
        advice="The format is that of LFW's pairs.txt; see components/evaluate/README.md.",
    )


def from_pairs_file(path: Path, embeddings: Embeddings, folds: int) -> Protocol:
    """The pairs of a file whose faces are among the embeddings.

    Args:
        path: the pairs file.
        embeddings: the faces of all splits.
        folds: the number of folds to make of a file that has one.

    Raises:
        UsageError: see `read_pairs_file`; or several photos have the same name, or too few pairs are left to measure.
    """
    file = read_pairs_file(path)
    faces = _faces_of_photos(file, embeddings)
    known = np.array([first in faces and second in faces for first, second in file.pairs])
    kept = [pair for pair, is_known in zip(file.pairs, known, strict=True) if is_known]
    fold_of_pair = np.array(file.fold, np.int32)
    pairs = Pairs(
        np.array([faces[first][0] for first, _ in kept], np.int32),
        np.array([faces[second][0] for _, second in kept], np.int32),
        np.array(file.same, bool)[known],
    )
    smaller = min(pairs.same_count, len(pairs) - pairs.same_count)
    fold, left_out = fold_of_pair[known], np.bincount(fold_of_pair[~known], minlength=file.folds)
    if smaller < 2 or (file.folds > 1 and len(np.unique(fold)) < 2):
        raise _too_few(path, pairs, _missing(file, faces, left_out), embeddings)
    if file.folds == 1:
        fold = deal_pairs(pairs.same, min(folds, smaller))
        left_out = np.diff(np.arange(fold.max() + 2) * left_out[0] // (fold.max() + 1))
    missing = _missing(file, faces, left_out)
    notes = [*file.notes, *_notes(pairs, embeddings, missing, len(file.pairs))]
    if file.folds == 1:
        notes.append(f"The file has one fold: its pairs were dealt into {fold.max() + 1}, in their order.")
    elif len(np.unique(fold)) < file.folds:
        notes.append(f"{file.folds - len(np.unique(fold))} of {file.folds} folds have no pair left and are left out.")
    doubtful = sum(len(faces[photo]) > 1 for photo in {photo for pair in kept for photo in pair})
    if doubtful:
        notes.append(f"Of {quantity(doubtful, 'photo')} with more than one face, the first face was taken.")
    slices = np.array(file.slices, dtype=object)[known]
    has_slices = any(name is not None for name in slices)
    return Protocol("pairs-file", pairs, fold, pairs, notes, missing, slices if has_slices else None)


def _faces_of_photos(file: PairsFile, embeddings: Embeddings) -> dict[Photo, list[int]]:
    """The rows of each photo that a file names, where there are any."""
    at: dict[Photo, dict[str, list[int]]] = {}  # by its path inside the identity: the photos, and their rows
    below: dict[Photo, dict[str, list[int]]] = {}  # by its file name alone
    people = {photo[0] for pair in file.pairs for photo in pair}
    for row, (identity, path) in enumerate(zip(embeddings.identity, embeddings.photo_path, strict=True)):
        if (name := one_form(identity)) not in people:
            continue
        place = PurePosixPath(one_form(path))
        whole = "/".join(place.parts[1:])
        for photos, inside in ((at, whole), (at, whole.removesuffix(place.suffix)), (below, place.stem)):
            photos.setdefault((name, inside), {}).setdefault(path, []).append(row)
    faces: dict[Photo, list[int]] = {}
    for photo in dict.fromkeys(photo for pair in file.pairs for photo in pair):
        bare = _without_ending(photo)
        candidates = at.get(photo) or at.get(bare) or below.get(bare, {})
        if len(candidates) > 1:
            raise UsageError(
                "The pairs file names a photo that may be any of several.",
                received=f"{'/'.join(photo)}: {', '.join(list(candidates)[:3])}",
                advice="Name the folders in which it lies too, as identity/folder/stem; photos that differ in their "
                "endings alone need other names.",
            )
        if candidates:
            (faces[photo],) = candidates.values()
    return faces


def _missing(file: PairsFile, faces: Iterable[Photo], pairs_per_fold: Indices) -> Missing:
    named = dict.fromkeys(photo for pair in file.pairs for photo in pair)  # once each, in the file's order
    known = set(faces)
    names = ["/".join(photo) for photo in named if photo not in known]
    return Missing(len(names), int(pairs_per_fold.sum()), names[:_MISSING_NAMED], pairs_per_fold.tolist())


def _too_few(path: Path, pairs: Pairs, missing: Missing, embeddings: Embeddings) -> UsageError:
    return UsageError(
        "Too few pairs of the file are among the embeddings: two same, two different, and two folds are needed."
        if len(pairs)
        else "None of the pairs of the file are among the embeddings.",
        received=f"{path}: same-identity pairs left {pairs.same_count}, different {len(pairs) - pairs.same_count}; "
        f"{quantity(missing.faces, 'face')} missing, as {', '.join(missing.first[:3])}",
        advice="The embeddings must come from photos laid out as the file names them; theirs are called as "
        f"{', '.join(embeddings.photo_path[:2])}. `facenet collect` drops "
        "identities with fewer faces than --min_examples; the rejects of `facenet extract` name photos without a face.",
    )


def _notes(pairs: Pairs, embeddings: Embeddings, missing: Missing, total: int) -> list[str]:
    notes = []
    if missing.pairs:
        notes.append(
            f"{missing.pairs:,} of {total:,} pairs are left out: {missing.faces:,} of their faces are not among the "
            f"embeddings: {', '.join(missing.first)}{', ...' if missing.faces > len(missing.first) else ''}."
        )
    larger = max(pairs.same_count, len(pairs) - pairs.same_count) / len(pairs)
    if larger > _BALANCED:
        notes.append(
            f"The pairs are out of balance, {pairs.same_count:,} same and {len(pairs) - pairs.same_count:,} different: "
            f"calling them all alike would already have an accuracy of {larger:.1%}."
        )
    trained = embeddings.split == "train"
    count = np.count_nonzero(trained[pairs.first] | trained[pairs.second])
    if count:
        used = np.union1d(pairs.first, pairs.second)
        in_train = len(np.unique(embeddings.identity[used][trained[used]]))
        identities = quantity(in_train, "identity", "identities")
        notes.append(
            f"{count:,} of {len(pairs):,} pairs show people of the train split ({identities}): a network "
            "that was trained on it knows them, and the numbers flatter it."
        )
    return notes

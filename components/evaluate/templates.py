"""Templates, as IJB-B and IJB-C compare them: all photos and video frames of a person together instead of one photo.

The folder `meta` of the layout that insightface hands on holds two lists, of lines with blanks between the fields:

    *_face_tid_mid.txt           photo template media: the frames of one video have one media
    *_template_pair_label.txt    template template label: 1 for one person and 0 for two

The embeddings of a media's faces are averaged, those of a template's media are summed, and the sum is brought to
length 1; pairs of templates are compared like pairs of faces. What is published is the VAL, called TAR, at a FAR of
1e-4 and 1e-5. Insightface also weighs each face by its detector's score, and adds the mirror image's embedding; here
neither is done.

Whitelam et al., IARPA Janus Benchmark-B Face Dataset, 2017; Maze et al., IARPA Janus Benchmark - C, 2018; insightface,
recognition/arcface_torch/eval_ijbc.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from components.common.batches import slices
from components.common.errors import UsageError
from components.common.quantity import quantity
from components.evaluate.embeddings import Embeddings, Indices
from components.evaluate.folds import deal_pairs
from components.evaluate.pairs_list import Photo, people_of
from components.evaluate.protocols import Missing, Pairs, Protocol

_MEDIA, _PAIRS = "*_face_tid_mid.txt", "*_template_pair_label.txt"
_NAMED = 10
_MEDIA_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class Templates:
    """Which photos make up which template, and which templates are compared.

    Args:
        photo: str [n], paths below the folder of photos.
        template: int64 [n], of each photo, from 0 in the order of their numbers.
        media: int64 [n], of each photo.
        number: int64 [t], what the lists call each template.
        person: str [t]; those whom same-identity pairs connect.
        pairs: int64 [p, 2], templates.
        same: bool [p].
    """

    photo: list[str]
    template: Indices
    media: Indices
    number: Indices
    person: list[str]
    pairs: Indices
    same: npt.NDArray[np.bool_]

    @property
    def files(self) -> dict[Photo, str]:
        """By photo, laid out by person, the end of its path as the list gives it."""
        return {
            (self.person[template], photo): photo for photo, template in zip(self.photo, self.template, strict=True)
        }


def holds_templates(path: Path) -> bool:
    """Whether a folder holds the lists of templates."""
    return path.is_dir() and any(path.glob(_PAIRS))


def read_templates(folder: Path) -> Templates:
    """Reads the two lists.

    Raises:
        UsageError: there are not two, one is malformed, or they do not fit.
    """
    photo, template, media = _columns(folder, _MEDIA, pa.string())
    one, other, label = _columns(folder, _PAIRS, pa.int64())
    number, of_photo = np.unique(template, return_inverse=True)
    ends = np.stack([one, other], axis=1)
    unknown = ends[~np.isin(ends, number)]
    wrong_label = label[(label != 0) & (label != 1)]
    bad_path = [path for path in photo if ".." in PurePosixPath(path).parts or path.startswith("/")]
    for found, what in (
        (len(unknown), f"templates without photos, as {unknown[:1]}"),
        (len(wrong_label), f"labels other than 0 and 1, as {wrong_label[:1]}"),
        (len(bad_path), f"photos outside the folder, as {bad_path[:1]}"),
        (int(len(np.unique(label)) < 2), "pairs of one kind only"),
    ):
        if found:
            raise UsageError(
                "The lists of templates do not fit.",
                received=f"{folder}: {what}",
                advice="Take both again from where they were published, whole.",
            )
    pairs, same = np.searchsorted(number, ends), label == 1
    person = people_of(pairs, same.tolist(), len(number))
    return Templates(photo.tolist(), of_photo, media, number, person, pairs, same)


def _columns(folder: Path, pattern: str, first: pa.DataType) -> list[npt.NDArray[Any]]:
    files = sorted(folder.glob(pattern))
    try:
        if len(files) != 1:
            raise ValueError(f"one file {pattern} is needed, not {len(files)}")
        names = ["0", "1", "2"]
        table = csv.read_csv(
            files[0],
            csv.ReadOptions(column_names=names),
            csv.ParseOptions(delimiter=" ", quote_char=False),
            csv.ConvertOptions(column_types=dict(zip(names, [first, pa.int64(), pa.int64()], strict=True))),
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            "A list of templates cannot be read.",
            received=f"{folder} ({error})"[:500],
            advice="It has three fields a line, with blanks between them; see components/evaluate/README.md.",
        ) from error
    return [column.to_numpy() for column in table.columns]


def from_templates(folder: Path, embeddings: Embeddings, folds: int) -> tuple[Embeddings, Protocol]:
    """Makes embeddings of templates, and the pairs of them.

    Args:
        folder: that of the two lists.
        embeddings: the faces, of photos whose paths inside the folder of a person are those of the list.
        folds: of the accuracy.

    Returns:
        An embedding for each template of which a photo shows a face, with the first such face to stand for it; and the
        pairs. Accuracy is measured on as many of each kind, at even distances in the list, everything else on all.

    Raises:
        UsageError: see `read_templates`; or fewer than two pairs of a kind are left.
    """
    templates = read_templates(folder)
    named, row_of = set(templates.photo), dict[str, int]()
    for number, path in enumerate(embeddings.photo_path):
        if (inside := path.partition("/")[2]) in named:
            row_of.setdefault(inside, number)
    row = np.array([row_of.get(photo, -1) for photo in templates.photo], np.int64)
    found = row >= 0
    pooled, kept, first = _pool(embeddings, row[found], templates.template[found], templates.media[found])
    place = np.full(len(templates.number), -1, np.int32)
    place[kept] = np.arange(len(kept))
    first_end, second_end = place[templates.pairs].T
    known = (first_end >= 0) & (second_end >= 0)
    compared = Pairs(first_end[known], second_end[known], templates.same[known])
    balanced = min(compared.same_count, len(compared) - compared.same_count)
    if balanced < 2:
        raise UsageError(
            "Too few pairs of templates are among the embeddings: two same and two different are needed.",
            received=f"{folder}: same-identity pairs left {compared.same_count}, different "
            f"{len(compared) - compared.same_count}; photos without a face {(~found).sum()} of {len(row)}",
            advice="The embeddings must come from the photos that the lists name; `facenet score` sees to that.",
        )
    of_each = [_evenly(np.flatnonzero(compared.same == kind), balanced) for kind in (True, False)]
    chosen = np.sort(np.concatenate(of_each))
    scored = Pairs(compared.first[chosen], compared.second[chosen], compared.same[chosen])
    lost = np.flatnonzero(place < 0)
    missing = Missing(
        len(lost), int((~known).sum()), [f"template {number}" for number in templates.number[lost[:_NAMED]]]
    )
    measured = Embeddings(
        embeddings.face_id[first],
        np.array([templates.person[template] for template in kept], dtype=object),
        embeddings.split[first],
        embeddings.photo_path[first],
        pooled,
        embeddings.checkpoint_sha256,
    )
    notes = _notes(templates, int((~found).sum()), missing, len(scored) < len(compared))
    fold = deal_pairs(scored.same, min(folds, balanced))
    return measured, Protocol("templates", scored, fold, compared, notes, missing)


def _pool(
    embeddings: Embeddings, row: Indices, template: Indices, media: Indices
) -> tuple[npt.NDArray[np.float32], Indices, Indices]:
    """The templates' embeddings, float32 [k, size]; the templates, int64 [k]; and the row of the first face of each."""
    if not len(row):
        return embeddings.vectors[:0], row, row
    order = np.lexsort((row, media, template))
    row, template, media = row[order], template[order], media[order]
    media_start = np.flatnonzero(np.diff(template, prepend=-1) | np.diff(media, prepend=media[0]))
    faces = np.diff(media_start, append=len(row))
    means = np.empty((len(faces), embeddings.vectors.shape[1]), np.float32)
    for some in slices(len(faces), _MEDIA_AT_ONCE):
        begins, begin = media_start[some], media_start[some.start]
        vectors = embeddings.vectors[row[begin : begin + faces[some].sum()]]
        means[some] = np.add.reduceat(vectors, begins - begin) / faces[some, None].astype(np.float32)
    start = np.flatnonzero(np.diff(template[media_start], prepend=-1))
    total = np.add.reduceat(means, start)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    usable = np.flatnonzero(length > 0)  # faces as different as can be cancel out
    first = media_start[start][usable]
    return total[usable] / length[usable], template[first], row[first]


def _evenly(items: Indices, count: int) -> Indices:
    return items[np.arange(count) * len(items) // count]


def _notes(templates: Templates, faceless: int, missing: Missing, sampled: bool) -> list[str]:
    notes = [
        f"What is compared is {quantity(len(templates.number), 'template')}, each of the faces of several photos. The "
        "lists name nobody: people are those whom same-identity pairs connect."
    ]
    if faceless:
        notes.append(
            f"{faceless:,} of {quantity(len(templates.photo), 'photo')} have no face. Where a template has no other, "
            f"its pairs are left out: {missing.pairs:,} of {len(templates.same):,}"
            f"{', of ' + ', '.join(missing.first) if missing.first else ''}."
        )
    if sampled:
        notes.append(
            "Accuracy is measured on as many pairs of each kind, at even distances in the list; everything else on all."
        )
    return notes

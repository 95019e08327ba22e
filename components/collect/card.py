"""The card of a dataset: what each filter left, the splits, how many faces people have, and duplicates as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.collect.collect import Collected
from components.collect.filters import COPY, EXACT_DUPLICATE, LOW_QUALITY, OUTLIER, TOO_FEW_FACES, TWO_NAMES
from components.collect.splits import SPLITS
from components.page.figures import histogram
from components.page.pictures import thumbnails
from components.page.templates import Card, fill_card

_GROUPS = 8
_FACES = 4  # shown of a group
_NAMES = 20
_OUTLIERS = 20


@dataclass(frozen=True)
class Step:
    """How many faces of how many people are left after a filter."""

    what: str
    faces: int
    people: int


@dataclass(frozen=True)
class Group:
    """Faces that are the same picture: the first few as (face id, identity, photo path), and how many there are."""

    faces: Sequence[tuple[str, str, str]]
    size: int


@dataclass(frozen=True)
class Groups:
    """Some of the groups of one kind, at even distances in the list, and how many there are."""

    shown: Sequence[Group]
    total: int


def show(
    faces: pd.DataFrame,
    collected: Collected,
    files: Sequence[Path],
    min_examples: int,
    drop_duplicates: bool = True,
    drop_outliers: bool = False,
    min_quality: float = 0.0,
    *,
    pictures: bool,
) -> Card:
    """The card of a dataset; it reads the images of those few faces that it shows.

    Args:
        faces: all faces of people with names, columns face_id, identity and photo_path.
        collected: what became of them.
        files: the parts of the faces manifest.
        min_examples: identities with fewer faces were dropped.
        drop_duplicates: whether copies and pictures under two names were dropped.
        drop_outliers: whether the faces that look like somebody else were dropped.
        min_quality: faces below were dropped.
        pictures: whether it shows any.
    """
    duplicates, two_names = same_pictures(faces, collected.dropped), under_two_names(collected.dropped)
    again = encoded_again(faces, collected.dropped)
    groups = (*duplicates.shown, *two_names.shown, *again.shown)
    found = collected.outliers
    outliers = found.faces.head(_OUTLIERS) if found else pd.DataFrame(columns=["face_id", "like_id"])
    face_ids = {face_id for group in groups for face_id, _, _ in group.faces}
    face_ids.update(outliers["face_id"], outliers["like_id"])
    of_each = collected.dataset["identity"].value_counts()
    rare = collected.dropped.loc[collected.dropped["reason"] == TOO_FEW_FACES, "identity"].value_counts()
    values: dict[str, Any] = {
        "unnamed": len(collected.unnamed),
        "unnamed_dropped": len(collected.unnamed_dropped),
        "steps": steps(faces, collected, min_examples, drop_duplicates, drop_outliers, min_quality),
        "splits": [
            (split, rows["identity"].nunique(), len(rows))
            for split, rows in ((split, collected.dataset[collected.dataset["split"] == split]) for split in SPLITS)
        ],
        "people": len(of_each),
        "faces": len(collected.dataset),
        "dropped": len(collected.dropped),
        # Of people without names alone there is nobody to count.
        "median": float(of_each.median()) if len(of_each) else 0.0,
        "most": int(of_each.max()) if len(of_each) else 0,
        "figure": histogram(
            "Faces of each person", of_each.to_numpy(), "faces, of people who were kept", logarithmic=True
        )
        if len(of_each)
        else "",
        "duplicates": duplicates,
        "two_names": two_names,
        "again": again,
        "looked": found is not None,
        "outliers": list(outliers.itertuples(index=False)),
        "outliers_total": len(found.faces) if found else 0,
        "drop_outliers": drop_outliers,
        "alike": list(found.people.head(_NAMES).itertuples(index=False)) if found else [],
        "alike_total": len(found.people) if found else 0,
        "rare": list(rare.sort_index()[:_NAMES].items()),
        "rare_people": len(rare),
        "min_examples": min_examples,
        "drop_duplicates": drop_duplicates,
        "shows_pictures": pictures,
        "pictures": thumbnails(files, face_ids) if pictures else {},
    }
    return fill_card(Path(__file__).parent, values)


def steps(
    faces: pd.DataFrame,
    collected: Collected,
    min_examples: int,
    drop_duplicates: bool = True,
    drop_outliers: bool = False,
    min_quality: float = 0.0,
) -> list[Step]:
    """How many faces the manifest has, and how many each filter left."""
    dropped = collected.dropped
    lost = {
        reason: dropped["reason"] == reason
        for reason in (EXACT_DUPLICATE, COPY, TWO_NAMES, LOW_QUALITY, OUTLIER, TOO_FEW_FACES)
    }
    kept = set(collected.dataset["identity"])
    before_rare = kept | set(dropped.loc[lost[TOO_FEW_FACES], "identity"])
    before_outliers = before_rare | set(dropped.loc[lost[OUTLIER], "identity"])
    before_quality = before_outliers | set(dropped.loc[lost[LOW_QUALITY], "identity"])
    distinct = len(faces) - int((lost[EXACT_DUPLICATE] | lost[COPY]).sum())
    single = distinct - int(lost[TWO_NAMES].sum())
    duplicates = [
        Step("without copies of a person's own pictures", distinct, faces["identity"].nunique()),
        Step("without pictures under two names", single, len(before_quality)),
    ]
    good = single - int(lost[LOW_QUALITY].sum())
    quality = Step(f"of quality {min_quality:g} or more", good, len(before_outliers))
    outliers = Step("without faces that look like somebody else", good - int(lost[OUTLIER].sum()), len(before_rare))
    return [
        Step("found", len(faces), faces["identity"].nunique()),
        *(duplicates if drop_duplicates else []),
        *([quality] if min_quality else []),
        *([outliers] if drop_outliers else []),
        Step(f"of people with {min_examples} faces or more", len(collected.dataset), len(kept)),
    ]


def same_pictures(faces: pd.DataFrame, dropped: pd.DataFrame) -> Groups:
    """The pictures that a person has several times."""
    copies = dropped[dropped["reason"] == EXACT_DUPLICATE]
    keys = copies[["identity", "face_id"]].drop_duplicates()
    shown = _spread(keys).merge(faces, on=["identity", "face_id"], sort=False)
    return Groups(_groups(shown, ["identity", "face_id"]), len(keys))


def encoded_again(faces: pd.DataFrame, dropped: pd.DataFrame) -> Groups:
    """The photos that a person has in several sizes or encodings."""
    key = ["identity", "phash"]
    keys = faces.loc[faces["photo_path"].isin(dropped.loc[dropped["reason"] == COPY, "photo_path"]), key]
    keys = keys.drop_duplicates()
    return Groups(_groups(_spread(keys).merge(faces, on=key, sort=False), key), len(keys))


def under_two_names(dropped: pd.DataFrame) -> Groups:
    """The pictures that stand under several names."""
    shared = dropped[dropped["reason"] == TWO_NAMES]
    places = shared["detail"].drop_duplicates()
    return Groups(_groups(shared[shared["detail"].isin(_spread(places))], ["detail"]), len(places))


def _spread(rows: Any) -> Any:
    """Up to `_GROUPS` rows at even distances."""
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(_GROUPS, len(rows))).astype(int))]


def _groups(rows: pd.DataFrame, key: list[str]) -> list[Group]:
    return [
        Group(
            list(group[["face_id", "identity", "photo_path"]].head(_FACES).itertuples(index=False, name=None)),
            len(group),
        )
        for _, group in rows.groupby(key, sort=False)
    ]

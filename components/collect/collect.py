"""From a faces manifest to a dataset: which faces are kept, in which split, and where they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import pyarrow as pa

from components.collect.filters import (
    Filter,
    without_copies,
    without_copies_of,
    without_duplicates,
    without_outliers,
    without_poor,
    without_rare,
    without_two_names,
)
from components.collect.outliers import Outliers, find_outliers, vectors_of
from components.collect.splits import TRAIN, split_of
from components.common.errors import FacenetError, UsageError
from components.common.manifest import DATASET, DROPPED, FACES, Folders, open_part, parts, reading
from components.common.names import identity_of_unnamed, one_form
from components.common.quantity import quantity


@dataclass(frozen=True)
class Collected:
    """What became of faces.

    Args:
        dataset: rows of the dataset, of people with names.
        dropped: rows of the dropped manifest, of them.
        outliers: what a network says of names, when it was asked.
        unnamed: rows of the dataset, of people without names.
        unnamed_dropped: rows of the dropped manifest, of them.
    """

    dataset: pd.DataFrame
    dropped: pd.DataFrame
    outliers: Outliers | None = None
    unnamed: pd.DataFrame = field(default_factory=pd.DataFrame)
    unnamed_dropped: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def reasons(self) -> Counter[str]:
        """How many faces were dropped for each reason."""
        return Counter(reason for rows in (self.dropped, self.unnamed_dropped) for reason in rows.get("reason", ()))


def read_faces(folders: Folders) -> pd.DataFrame:
    """The faces of a manifest without their images, each with the part and row where it lies."""
    tables = []
    for part, file in enumerate(parts(folders, FACES)):
        with reading(file):
            table = open_part(file).read(["face_id", "identity", "photo_path", "phash", "width", "quality"])
            table.validate(full=True)  # Parquet keeps any bytes as text
        tables.append(table.to_pandas().assign(part=part, row=range(len(table))))
    faces = pd.concat(tables, ignore_index=True)
    return faces.assign(identity=faces["identity"].map(one_form))  # a former faces manifest may hold the other form


def collect(
    faces: pd.DataFrame,
    *,
    min_examples: int,
    validation: float,
    test: float,
    min_quality: float = 0.0,
    unnamed: str = "",
    drop_duplicates: bool = True,
    embeddings: Folders = (),
    drop_outliers: bool = False,
) -> Collected:
    """Filters faces and assigns splits.

    Args:
        faces: of `read_faces`.
        min_examples: identities with fewer faces, after duplicates are gone, are dropped.
        validation: share of identities for validation.
        test: share of identities for the test.
        min_quality: faces below are dropped, 0 to 100.
        unnamed: the identity, in form NFC, whose faces are of people without names; "" for none.
        drop_duplicates: whether copies of a picture are dropped, and pictures under two names.
        embeddings: of the faces that are left then, by one network, which is asked whose they are; () asks none.
        drop_outliers: whether the faces that it takes for somebody else's are dropped.

    Raises:
        FacenetError: no face is left.
        UsageError: there is no such identity, the faces have no quality, or the embeddings lack a face, or do not tell
            people apart.
    """
    strangers, faces = faces[faces["identity"] == unnamed], faces[faces["identity"] != unnamed]
    if unnamed and strangers.empty:
        raise UsageError(
            "No face is of the folder of people without names.",
            received=f"--unnamed {unnamed}",
            advice="Give the name of a folder in the folder of photos that was extracted.",
        )
    rare = partial(without_rare, min_examples=min_examples)
    filters: list[Filter] = [without_duplicates, without_copies, without_two_names] if drop_duplicates else []
    good: list[Filter] = [partial(without_poor, min_quality=min_quality)] if min_quality else []
    if good and (unmeasured := int(pd.concat([faces, strangers])["quality"].isna().sum())):
        raise UsageError(
            "Not all of these faces have a quality.",
            received=f"--min_quality {min_quality:g}; {quantity(unmeasured, 'face')} without one",
            advice="Run `facenet extract` again, which measures it; or leave the flag out.",
        )
    kept, dropped = _filter(faces, [*filters, *good, rare])
    outliers = find_outliers(kept, vectors_of(kept, embeddings)) if embeddings and len(kept) else None
    if outliers and drop_outliers:
        kept, more = _filter(kept, [partial(without_outliers, outliers=outliers.faces), rare])
        dropped = pd.concat([dropped, more], ignore_index=True)
    lost = dropped[:0]
    if unnamed and (drop_duplicates or good):
        # A picture that somebody with a name has too is theirs alone: they may be kept for the test.
        copies: list[Filter] = [without_duplicates, without_copies, partial(without_copies_of, others=faces)]
        strangers, lost = _filter(strangers, [*(copies if drop_duplicates else []), *good])
    if kept.empty and strangers.empty:
        counts = dropped["reason"].value_counts().to_dict()
        raise FacenetError(
            "No identity has enough faces.",
            received=f"{quantity(len(faces), 'face')} of "
            f"{quantity(faces['identity'].nunique(), 'identity', 'identities')}; dropped {counts}",
            advice=f"Add photos, or lower --min_examples from {min_examples}.",
        )
    split = {name: split_of(name, validation, test) for name in kept["identity"].unique()}
    dataset = kept.assign(split=kept["identity"].map(split))
    each = [identity_of_unnamed(unnamed, face_id) for face_id in strangers["face_id"]]
    return Collected(
        dataset[DATASET.schema.names],
        dropped[DROPPED.schema.names],
        outliers,
        strangers.assign(identity=each, split=TRAIN)[DATASET.schema.names],
        lost[DROPPED.schema.names],
    )


def _filter(faces: pd.DataFrame, filters: Sequence[Filter]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is left after some filters, and what they dropped."""
    dropped_by_each = []
    for drop in filters:
        faces, lost = drop(faces)
        dropped_by_each.append(lost)
    return faces, pd.concat(dropped_by_each, ignore_index=True)


def list_photos(dataset: pd.DataFrame) -> dict[str, list[str]]:
    """The photos of each identity: `{"name": ["name/1.jpg", ...]}`."""
    return {str(name): list(paths) for name, paths in dataset.groupby("identity")["photo_path"]}


def as_table(schema: pa.Schema, *frames: pd.DataFrame) -> pa.Table:
    """Data frames one after another as an Arrow table of a manifest's schema."""
    return pa.concat_tables(pa.Table.from_pandas(each, schema=schema, preserve_index=False) for each in frames)

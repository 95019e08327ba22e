"""From a faces manifest to a dataset: which faces are kept, in which split, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import pyarrow as pa

from components.collect.filters import (
    Filter,
    without_copies,
    without_duplicates,
    without_outliers,
    without_rare,
    without_two_names,
)
from components.collect.outliers import Outliers, find_outliers, vectors_of
from components.collect.splits import split_of
from components.common.errors import FacenetError
from components.common.manifest import DATASET, DROPPED, FACES, Folders, open_part, parts, reading
from components.common.names import one_form
from components.common.quantity import quantity


@dataclass(frozen=True)
class Collected:
    """The rows of the dataset and of the dropped manifest, and what a network says of names when it was asked."""

    dataset: pd.DataFrame
    dropped: pd.DataFrame
    outliers: Outliers | None = None


def read_faces(folders: Folders) -> pd.DataFrame:
    """The faces of a manifest without their images, each with the part and row where it lies."""
    tables = []
    for part, file in enumerate(parts(folders, FACES)):
        with reading(file):
            table = open_part(file).read(["face_id", "identity", "photo_path", "phash", "width"])
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
        drop_duplicates: whether copies of a picture are dropped, and pictures under two names.
        embeddings: of the faces that are left then, by one network, which is asked whose they are; () asks none.
        drop_outliers: whether the faces that it takes for somebody else's are dropped.

    Raises:
        FacenetError: no identity is left.
        UsageError: the embeddings lack a face, or do not tell people apart.
    """
    rare = partial(without_rare, min_examples=min_examples)
    filters: list[Filter] = [without_duplicates, without_copies, without_two_names] if drop_duplicates else []
    kept, dropped = _filter(faces, [*filters, rare])
    outliers = find_outliers(kept, vectors_of(kept, embeddings)) if embeddings and len(kept) else None
    if outliers and drop_outliers:
        kept, more = _filter(kept, [partial(without_outliers, outliers=outliers.faces), rare])
        dropped = pd.concat([dropped, more], ignore_index=True)
    if kept.empty:
        counts = dropped["reason"].value_counts().to_dict()
        raise FacenetError(
            "No identity has enough faces.",
            received=f"{quantity(len(faces), 'face')} of "
            f"{quantity(faces['identity'].nunique(), 'identity', 'identities')}; dropped {counts}",
            advice=f"Add photos, or lower --min_examples from {min_examples}.",
        )
    split = {name: split_of(name, validation, test) for name in kept["identity"].unique()}
    dataset = kept.assign(split=kept["identity"].map(split))
    return Collected(dataset[DATASET.schema.names], dropped[DROPPED.schema.names], outliers)


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


def as_table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """A data frame as an Arrow table of a manifest's schema."""
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)

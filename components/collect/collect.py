"""From a faces manifest to a dataset: which faces are kept, in which split, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pandas as pd
import pyarrow as pa

from components.collect.filters import Filter, without_copies, without_duplicates, without_rare, without_two_names
from components.collect.splits import split_of
from components.common.errors import FacenetError
from components.common.manifest import DATASET, DROPPED, FACES, Folders, open_part, parts, reading
from components.common.names import one_form
from components.common.quantity import quantity


@dataclass(frozen=True)
class Collected:
    """The rows of the dataset and of the dropped manifest."""

    dataset: pd.DataFrame
    dropped: pd.DataFrame


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
    faces: pd.DataFrame, *, min_examples: int, validation: float, test: float, drop_duplicates: bool = True
) -> Collected:
    """Filters faces and assigns splits.

    Args:
        faces: of `read_faces`.
        min_examples: identities with fewer faces, after duplicates are gone, are dropped.
        validation: share of identities for validation.
        test: share of identities for the test.
        drop_duplicates: whether copies of a picture are dropped, and pictures under two names.

    Raises:
        FacenetError: no identity is left.
    """
    filters: list[Filter] = [without_duplicates, without_copies, without_two_names] if drop_duplicates else []
    filters += [partial(without_rare, min_examples=min_examples)]
    kept, dropped_by_each = faces, []
    for drop in filters:
        kept, lost = drop(kept)
        dropped_by_each.append(lost)
    dropped = pd.concat(dropped_by_each, ignore_index=True)
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
    return Collected(dataset[DATASET.schema.names], dropped[DROPPED.schema.names])


def list_photos(dataset: pd.DataFrame) -> dict[str, list[str]]:
    """The photos of each identity: `{"name": ["name/1.jpg", ...]}`."""
    return {str(name): list(paths) for name, paths in dataset.groupby("identity")["photo_path"]}


def as_table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """A data frame as an Arrow table of a manifest's schema."""
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)

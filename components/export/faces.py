"""Which faces of a dataset a network is quantised and checked with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.errors import FacenetError
from components.common.manifest import unnamed


def by_split(rows: pa.Table) -> list[tuple[str, int, int]]:
    """How many people and faces each split of a dataset has, of people with names."""
    rows = rows.filter(pc.invert(unnamed(rows)))
    grouped = rows.group_by("split").aggregate([("identity", "count_distinct"), ("face_id", "count")])
    names = ("split", "identity_count_distinct", "face_id_count")
    return sorted(zip(*(grouped[name].to_pylist() for name in names), strict=True))


def calibration_rows(rows: pa.Table, count: int, seed: int) -> pa.Table:
    """Some faces of the training split, drawn without replacement: what the network has seen anyway.

    Raises:
        FacenetError: the split is empty.
    """
    train = rows.filter(pc.equal(rows["split"], "train"))
    if not len(train):
        raise FacenetError(
            "int8 is calibrated on faces of the training split, and there are none.",
            received=f"{len(rows)} faces in other splits",
            advice="Give the dataset that the network was trained on.",
        )
    chosen = np.random.default_rng(seed).permutation(len(train))[:count]
    return train.take(np.sort(chosen))


def held_out_rows(rows: pa.Table, count: int, seed: int) -> pa.Table:
    """Faces that the network was not trained on: of people in random order, until there are `count` or all.

    People are taken whole, because accuracy is about pairs of their faces.

    Raises:
        FacenetError: there are none.
    """
    unseen = rows.filter(pc.not_equal(rows["split"], "train"))
    if not len(unseen):
        raise FacenetError(
            "A model is compared with its original on faces that were not trained on, and there are none.",
            received=f"{len(rows)} faces, all in the train split",
            advice="Give `facenet collect` larger --test and --validation shares, or add people to the photos.",
        )
    _, person, faces = np.unique(unseen["identity"].to_numpy(), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(faces))
    before = np.cumsum(faces[order]) - faces[order]
    return unseen.filter(pa.array(np.isin(person, order[before < count])))

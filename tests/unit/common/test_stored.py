"""Rows of a manifest that are read when they are asked for, against the whole table."""

from __future__ import annotations

import gc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.errors import UsageError
from components.common.manifest import DATASET, Stored, read, write
from components.common.manifest.writing import ROWS_PER_GROUP

ROWS = 2 * ROWS_PER_GROUP + 3


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    names = [f"name {number}" for number in range(ROWS)]
    texts = dict.fromkeys(("face_id", "identity", "photo_path"), names)
    numbers = {"phash": np.arange(ROWS, dtype=np.uint64), "part": [0] * ROWS, "row": range(ROWS)}
    table = pa.table({**texts, "split": ["train"] * ROWS, **numbers}, schema=DATASET.schema)
    folder = tmp_path_factory.mktemp("stored") / "dataset"
    write(folder, DATASET, table)
    return folder


@pytest.mark.parametrize(
    "rows",
    [
        *(slice(0, 0), slice(5, 9), slice(500, 1030), slice(None)),
        *(np.array(some, np.int64) for some in ([], [1026, 3, 700, 3, 4], range(510, 515), [1025, 1026, 0])),
    ],
    ids=str,
)
def test_any_rows_are_those_of_the_whole_table_in_the_order_asked_for(manifest, rows):
    whole = read(manifest, DATASET, ["face_id", "row"])
    stored = Stored(manifest, DATASET, ["face_id", "row"])
    assert len(stored) == len(whole)
    assert stored[rows].equals(whole.take(np.arange(ROWS)[rows]))


def test_other_columns_of_the_same_rows_leave_the_first_as_they_are(manifest):
    stored = Stored(manifest, DATASET, ["row"])
    chosen = stored.select(["identity", "face_id"])
    assert chosen[slice(1, 3)].to_pydict() == {"identity": ["name 1", "name 2"], "face_id": ["name 1", "name 2"]}
    assert stored[slice(1, 3)].to_pydict() == {"row": [1, 2]} and len(chosen) == ROWS


def test_the_shards_of_a_manifest_follow_each_other(manifest):
    stored = Stored([manifest, manifest], DATASET, ["row"])
    assert stored[np.array([ROWS, 2, 2 * ROWS - 1])]["row"].to_pylist() == [0, 2, ROWS - 1]


def test_no_footer_of_a_part_stays_in_memory(manifest):
    # pyarrow 26: findings/parquet-schema-keeps-the-footer.sh
    gc.collect()
    stored = Stored([manifest] * 3, DATASET, ["row"])
    kept = [one for one in gc.get_objects() if isinstance(one, pq.FileMetaData)]
    assert len(kept) <= len(stored._parts)  # those of the files that are open


def test_a_damaged_file_is_named_when_its_rows_are_asked_for(manifest, tmp_path):
    (file,) = manifest.iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[4:2000] = bytes(1996)  # within the first row group
    (tmp_path / "part-00000.parquet").write_bytes(damaged)
    stored = Stored(tmp_path, DATASET)
    assert len(stored[slice(ROWS - 3, ROWS)]) == 3
    with pytest.raises(UsageError, match="cannot be read") as raised:
        stored[slice(0, 1)]
    assert str(tmp_path) in str(raised.value.received)

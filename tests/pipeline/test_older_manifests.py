"""What an older version left is good for every stage, and is shown: faces from before their quality was measured."""

import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

from components.common.manifest import DATASET, FACES, kind_of, read
from tests.stages import WORK, main_of

READERS = [
    pytest.param(stage, marks=pytest.mark.long) if work.has_tensorflow else stage
    for stage, work in WORK.items()
    if stage != "extract"
]


@pytest.fixture
def older(in_processes, tmp_path):
    """A run whose faces are of the first version of their manifest."""
    runs = tmp_path / "runs"
    run = shutil.copytree(in_processes, runs / in_processes.name, symlinks=True, copy_function=os.link)
    folders = {file.parent for file in run.rglob("part-*.parquet") if kind_of(file) is FACES}
    assert len(folders) == 2  # extract's, and collect's
    for file in (file for folder in folders for file in folder.glob("part-*.parquet")):
        table = pq.read_table(file)
        said = json.loads(table.schema.metadata[b"facenet"]) | {"schema_version": 1}
        file.unlink()  # it is that of the other run, too
        table = table.drop_columns(list(FACES.since))
        pq.write_table(table.replace_schema_metadata({b"facenet": json.dumps(said).encode()}), file)
    return run


@pytest.mark.parametrize("stage", READERS)
def test_a_stage_reads_faces_without_a_quality(older, stage, tmp_path):
    network = min(older.glob("export/model/*.tflite"))
    flags = WORK[stage].flags(tmp_path / "result", run=older, network=network)
    assert main_of(stage)([*flags, *WORK[stage].former.split(), "--html", str(tmp_path / "card.html")]) == 0
    assert (tmp_path / "card.html").stat().st_size > 1000
    if stage == "collect":
        assert main_of(stage)([*flags, "--min_quality", "10"]) == 2  # nothing is dropped for what nobody knows
        assert read(tmp_path / "result", DATASET).num_rows == 96

"""Runs that nobody ran: records and small artifacts, as the runner writes them."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
from PIL import Image

from components.common.manifest import DATASET, FACES, read, write
from pipelines.records.files import write_run, write_task
from pipelines.records.record import SUCCEEDED, RunRecord, TaskRecord

HOSTILE = (
    "<script>document.title='hacked'</script>",
    "../../etc/passwd",
    "x" * 300,
    "\u202e\u0645\u0631\u062d\u0628\u0627 fdp.exe",
    "\U0001f469\u200d\U0001f680 \U0001f389",
    "\"><img src=x onerror=document.title='hacked'> 'q' {{ 7*7 }} &amp;",
)


def run_of(runs: Path, identifier: str, *tasks: TaskRecord, **fields) -> RunRecord:
    """A run of these tasks; none of them ran."""
    given = {"recipe": None, "settings": {}, "parameters": {}, "state": SUCCEEDED, "seconds": 1.0, **fields}
    names = [task.task for task in tasks]
    record = RunRecord(identifier, "facenet", "pipeline.yaml", tasks=names, **given)
    write_run(runs, record)
    for task in tasks:
        write_task(runs, identifier, task)
    return record


def task_of(name: str, outputs: dict[str, tuple[str, str]] | None = None, **fields) -> TaskRecord:
    """A task with outputs: kind and path by name."""
    said = {
        key: {"kind": kind, "path": path, "sha256": "ab" * 32, "metadata": {}, "on_disk": True}
        for key, (kind, path) in (outputs or {}).items()
    }
    return TaskRecord(**{"task": name, "label": name, "state": SUCCEEDED, "outputs": said, "template": name, **fields})


def faces_of(folder: Path, names: tuple[str, ...] = HOSTILE) -> Path:
    """A faces manifest with a grey face of each of these people."""
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), "grey").save(encoded, "JPEG")
    rows = [
        {"face_id": f"{number:032x}", "photo_path": f"{name}/1.jpg", "photo_sha256": "ab" * 32, "identity": name,
         "box": [0, 0, 8, 8], "crop_box": [0, 0, 8, 8], "detector": "none", "score": 1.0, "landmarks": None,
         "phash": number, "image": encoded.getvalue(), "width": 8, "height": 8}
        for number, name in enumerate(names)
    ]  # fmt: skip
    write(folder, FACES, pa.Table.from_pylist(rows, schema=FACES.schema))
    return folder


def dataset_of(faces: Path) -> Path:
    """A dataset of all faces of a manifest, beside it."""
    columns = ("face_id", "identity", "phash", "photo_path")
    rows = [
        {**{column: row[column] for column in columns}, "split": "train", "part": 0, "row": number}
        for number, row in enumerate(read(faces, FACES).to_pylist())
    ]
    folder = faces.parent / "dataset"
    write(folder, DATASET, pa.Table.from_pylist(rows, schema=DATASET.schema), {"faces": f"../{faces.name}"})
    return folder

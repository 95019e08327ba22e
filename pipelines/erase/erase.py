"""Takes a person out of everything that was found. Each step can be cut off and done again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.common.atomic import FORMER, put_back, write_file
from components.common.errors import MALFORMED, FacenetError
from components.common.manifest import (
    DATASET,
    FACES,
    MANIFESTS,
    Manifest,
    about,
    about_person,
    open_part,
    parts,
    read,
    shard_of,
    writer,
)
from components.common.names import one_form
from components.common.records import read_json
from pipelines.cache.cache import Cache
from pipelines.cache.content import Contents
from pipelines.cache.ingredients import Program
from pipelines.erase.find import Traces, faces_behind, run_folders
from pipelines.erase.mentions import ERASED, mentions
from pipelines.erase.search import Search, Searched
from pipelines.records.files import LOG_FILE, TASK_FILE, read_task, write_task
from pipelines.records.notes import Notes, read_notes, write_notes

RECORD = "forgotten.json"
_PENDING = ".forgetting.json"
_NOTE = (
    "This page was erased on {when}, because somebody whom it may have shown asked to be forgotten. "
    "Run the stage again for a new one.\n"
)


def pending(runs: Path, name: str) -> Traces:
    """What an erasing of this person that was cut off had found; nothing when there was none."""
    file = runs / _PENDING
    if not file.exists():
        return Traces()
    record = _read(file, dict)
    if record.get("name_sha256") != _digest(name):
        raise FacenetError(
            "Somebody else is being forgotten, and that was cut off.",
            received=file,
            advice="Forget that person again first.",
        )
    # A run may have been removed since then.
    manifests = {Path(path): MANIFESTS[kind] for path, kind in record["manifests"].items()}
    return Traces(
        manifests={folder: (kind, 0) for folder, kind in manifests.items() if folder.is_dir()},
        datasets={folder for folder in map(Path, record["datasets"]) if folder.is_dir()},
        face_ids=set(record["face_ids"]),
        runs=set(map(Path, record["runs"])),
        crops=set(record.get("crops", [])),
    )


def _read(file: Path, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    """What was noted of an erasing; nothing where nothing was.

    Raises:
        FacenetError: the file is not what was written.
    """
    if not file.exists():
        return kind()
    try:
        record = read_json(file.read_bytes())
        if not isinstance(record, kind):
            raise ValueError("not what was written")
    except MALFORMED as error:
        raise FacenetError(
            "A note of who was forgotten is damaged.",
            received=f"{file} ({error})",
            advice="Remove that file, then forget again.",
        ) from error
    return record


def erase(name: str, runs: Path, traces: Traces) -> tuple[dict[str, Any], Searched]:
    """Erases a person, and looks whether anything is left.

    Returns:
        What `RECORD` in the runs folder now says of it: when, the name's SHA-256, and counts. What the search found.
    """
    _read(runs / RECORD, list)  # damaged, it is to be said before anything is erased
    when = datetime.now(UTC).isoformat(timespec="seconds")
    write_file(runs / _PENDING, json.dumps(_intention(name, traces)))
    named = mentions(name, traces.others)
    for folder, (kind, _) in traces.manifests.items():
        if kind is not DATASET:
            _rewrite(folder, kind, name, traces.face_ids, named)
    # Last, because their rows say where in the faces manifest a face lies now.
    for folder in sorted(
        {*traces.datasets, *(path for path, (kind, _) in traces.manifests.items() if kind is DATASET)}
    ):
        _point_anew(folder, name)
    for path in traces.pages:
        write_file(path, _NOTE.format(when=when))
    for path in traces.pictures:
        path.unlink(missing_ok=True)
    _clear_logs(named, runs)
    _clear_notes(named, runs)
    cache = Cache(runs, lambda executor, names: Program({}))
    changed = {*traces.manifests, *traces.datasets, *traces.pages, *traces.pictures}
    _correct_records(runs, changed, named, cache.contents)
    cache.forget(name, [run.name for run in traces.runs])
    said = _add_record(runs, name, when, traces)
    # Before the note goes: cut off in here, the same command searches for all of it again.
    searched = Search(name, traces.face_ids, traces.crops, traces.others)(runs, {runs / _PENDING, *traces.pages})
    (runs / _PENDING).unlink()
    return said, searched


def _digest(name: str) -> str:
    return hashlib.sha256(one_form(name).encode()).hexdigest()


def _intention(name: str, traces: Traces) -> dict[str, Any]:
    return {
        "name_sha256": _digest(name),
        "manifests": {str(path): kind.name for path, (kind, _) in traces.manifests.items()},
        "datasets": sorted(map(str, traces.datasets)),
        "face_ids": sorted(traces.face_ids),
        "runs": sorted(map(str, traces.runs)),
        "crops": sorted(traces.crops),
    }


def _rewrite(folder: Path, kind: Manifest, name: str, face_ids: set[str], named: Callable[[str], bool]) -> None:
    with writer(folder, kind, about(folder, kind), shard_of(folder, kind)) as rows:
        for file in parts(folder, kind):
            parquet = open_part(file)
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group)
                rows.add(
                    _without_texts(table.filter(pc.invert(about_person(table, kind, name, face_ids))), kind, named)
                )


def _without_texts(table: pa.Table, kind: Manifest, named: Callable[[str], bool]) -> pa.Table:
    """The words about others that name the person, as that a picture of theirs is the same as this one, go too."""
    for column in kind.texts:
        texts = [ERASED if text and named(text) else text for text in table[column].to_pylist()]
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), pa.array(texts, pa.string()))
    return table


def _point_anew(dataset: Path, name: str) -> None:
    """Takes a person out of a dataset, and says where the others' faces lie now."""
    rows = read(dataset, DATASET)
    rows = rows.filter(pc.invert(about_person(rows, DATASET, name, set())))
    places: dict[str, tuple[int, int]] = {}
    for part, file in enumerate(parts(faces_behind(dataset), FACES)):
        for row, face_id in enumerate(open_part(file).read(["face_id"])["face_id"].to_pylist()):
            places.setdefault(face_id, (part, row))  # one picture twice has one id, and the same pixels
    former = zip(*(rows[column].to_pylist() for column in ("face_id", "part", "row")), strict=True)
    moved = [places.get(face_id, (part, row)) for face_id, part, row in former]
    for position, column in enumerate(("part", "row")):
        at = rows.schema.get_field_index(column)
        rows = rows.set_column(at, column, pa.array([place[position] for place in moved], pa.int32()))
    with writer(dataset, DATASET, about(dataset, DATASET), shard_of(dataset, DATASET)) as written:
        written.add(rows)


def _clear_logs(named: Callable[[str], bool], runs: Path) -> None:
    for log in (log for run in run_folders(runs) for log in run.glob(f"*/{LOG_FILE}") if log.is_file()):
        lines = log.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
        theirs = [named(line) for line in lines]
        if any(theirs):
            kept = "".join(f"{ERASED}\n" if erased else line for line, erased in zip(lines, theirs, strict=True))
            write_file(log, kept.encode(errors="surrogateescape"))


def _clear_notes(named: Callable[[str], bool], runs: Path) -> None:
    for run in run_folders(runs):
        said = read_notes(runs, run.name)
        kept = Notes(ERASED if named(said.note) else said.note, tuple(tag for tag in said.tags if not named(tag)))
        if kept != said:
            write_notes(runs, run.name, kept)


def _correct_records(runs: Path, changed: set[Path], named: Callable[[str], bool], contents: Contents) -> None:
    """The records of tasks state the content that is there now, so that a task can be run again on it."""
    for file in runs.glob(f"*/*/{TASK_FILE}"):
        run, task, _ = file.relative_to(runs).parts
        record = read_task(runs, run, task)
        if record is None or (runs / run).is_symlink():
            continue
        for output in record.outputs.values():
            path = (runs / output["path"]).resolve()
            if path.exists() and any(path == each or path in each.parents for each in changed):
                output["sha256"] = contents.sha256(path)
        if record.message and named(record.message):
            record.message = ERASED
        write_task(runs, run, record)


def clear_leftovers(runs: Path) -> None:
    """What was begun to be written aside by who was killed, at any depth: nobody reads it, and it may hold anybody.

    A former result whose place is empty is the only copy of it, and is put back there.
    """
    while left := [path for path in _hidden_paths(runs) if path.suffix in (".partial", FORMER)]:
        put_back(path for path in left if path.suffix == FORMER)
        for path in left:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _hidden_paths(runs: Path) -> Iterator[Path]:
    """Everything whose name begins with a dot; links are not followed."""
    for folder, folders, files in os.walk(runs):
        yield from (Path(folder, name) for name in [*folders, *files] if name.startswith("."))


def _add_record(runs: Path, name: str, when: str, traces: Traces) -> dict[str, Any]:
    file = runs / RECORD
    former = _read(file, list)
    rows: dict[str, int] = {}
    for kind, count in traces.manifests.values():
        rows[kind.name] = rows.get(kind.name, 0) + count
    said = {
        "when": when,
        "name_sha256": _digest(name),
        "runs": sorted(run.name for run in traces.runs),
        "faces": len(traces.face_ids),
        "rows": rows,
        "pages": len(traces.pages),
        "files": len(traces.pictures),
    }
    write_file(file, json.dumps([*former, said], indent=1) + "\n")
    return said

"""Where a runs folder holds a person."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.common.crops import faces_of
from components.common.errors import UsageError
from components.common.manifest import DATASET, MANIFESTS, PARTS, Manifest, about_person, kind_of, open_part, parts
from components.common.names import one_form
from pipelines.erase.mentions import mentions
from pipelines.records.files import TASK_FILE, read_task

# What stages show pictures and names on; runs of before have a card as `html`, and its summary as `markdown`.
_PAGES = ("card", "html", "markdown", "*.html", "report.md")
# TensorBoard's pictures and names of faces, and the embeddings that an unfinished round of a training was mined from.
_PICTURES = ("events/names.tsv", "events/vectors.tsv", "events/faces.png", "events/projector_config.pbtxt", "state.npz")


@dataclass
class Traces:
    """What a runs folder holds of a person.

    Args:
        manifests: the rows about them, by the folder of a manifest and its kind.
        datasets: datasets that point into one of these manifests, with rows about them or without.
        face_ids: of their faces.
        runs: the folders of runs that they are in.
        pages: cards and reports of these runs, which may show them.
        pictures: files of these runs' trainings with pictures and embeddings of everybody.
        crops: SHA-256 of the pictures of their faces as they are stored.
        boxes: of their faces, by the SHA-256 of the photo.
        others: names of others in which theirs stands.
    """

    manifests: dict[Path, tuple[Manifest, int]] = field(default_factory=dict)
    datasets: set[Path] = field(default_factory=set)
    face_ids: set[str] = field(default_factory=set)
    runs: set[Path] = field(default_factory=set)
    pages: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    crops: set[str] = field(default_factory=set)
    boxes: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def find(name: str, runs: Path, known: Traces) -> Traces:
    """Looks through all runs.

    Args:
        name: the person's folder of photos.
        runs: the runs folder.
        known: what an erasing that was cut off had found: by now it may be gone from where it was found.

    Raises:
        UsageError: a manifest cannot be read.
    """
    traces = known
    manifests = {folder: kind for run in run_folders(runs) for folder, kind in _manifests(run)}
    for folder, kind in manifests.items():
        with _readable(folder):
            traces.others |= _others(folder, kind, name)
    for kind in MANIFESTS.values():  # in their order: the face ids of some come from the others
        for folder in (folder for folder, its in manifests.items() if its is kind):
            with _readable(folder):
                _look_into(folder, kind, name, traces)
    for folder in (folder for folder, kind in manifests.items() if kind is DATASET):
        if {path.resolve() for path in faces_behind(folder)} & traces.manifests.keys():
            traces.datasets.add(folder)
    touched = traces.manifests.keys() | traces.datasets
    for run in run_folders(runs):
        if run in traces.runs or any(_holds(path, touched) for path in [run, *_from_other_runs(runs, run)]):
            traces.runs.add(run)
            traces.pages += [path for pattern in _PAGES for path in run.glob(f"**/{pattern}") if _is_file(path, run)]
            traces.pictures += [path for place in _PICTURES for path in run.glob(f"**/{place}") if _is_file(path, run)]
    return traces


def _others(folder: Path, kind: Manifest, name: str) -> set[str]:
    """The names in a manifest in which a name stands, and that are longer."""
    columns = [column for column in ("identity", "photo_path") if column in kind.schema.names]
    names = set[str]()
    for file in parts(folder, kind) if columns else ():
        for values in open_part(file).read(columns[:1]).columns:
            names |= {one_form(value.partition("/")[0]) for value in pc.unique(values).to_pylist()}
    return set(filter(mentions(name), names)) - {one_form(name)}


def _look_into(folder: Path, kind: Manifest, name: str, traces: Traces) -> None:
    rows, named = 0, mentions(name, traces.others)
    for file in parts(folder, kind):
        parquet = open_part(file)
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)  # whole: what cannot be read is to be found before anything is erased
            about = about_person(table, kind, name, traces.face_ids)
            theirs = table.filter(about)
            rows += pc.sum(pc.or_(about, naming(table, kind, named))).as_py() or 0
            if "face_id" in table.schema.names:
                traces.face_ids |= set(theirs["face_id"].to_pylist())
            if "box" in table.schema.names:
                for photo, box in zip(theirs["photo_sha256"].to_pylist(), theirs["box"].to_pylist(), strict=True):
                    traces.boxes.setdefault(photo, []).append(tuple(box))
            if "image" in table.schema.names:
                traces.crops |= {hashlib.sha256(image).hexdigest() for image in theirs["image"].to_pylist()}
    if rows or folder in traces.manifests:
        traces.manifests[folder] = kind, rows


def naming(table: pa.Table, kind: Manifest, named: Callable[[str], bool]) -> pa.Array:
    """Which rows of a manifest name a person in their words, whoever they are about: bool [rows]."""
    rows = pa.array([False] * len(table), pa.bool_())
    for column in kind.texts:
        rows = pc.or_(rows, pa.array([named(text or "") for text in table[column].to_pylist()], pa.bool_()))
    return rows


def run_folders(runs: Path) -> list[Path]:
    """The folders of all runs, each once; also what was made by hand or by docker compose, which has no record."""
    return sorted(path.resolve() for path in runs.iterdir() if path.is_dir() and not path.is_symlink())


def _from_other_runs(runs: Path, run: Path) -> Iterator[Path]:
    """What a run has of other runs: the results it took over, linked where there are links, and what its tasks read."""
    for file in run.glob(f"*/{TASK_FILE}"):
        record = read_task(runs, run.name, file.parent.name)
        if record is not None:
            yield from ((runs / one["path"]).resolve() for given in record.inputs.values() for one in given)
    yield from (path.resolve() for path in run.glob("*/*") if path.is_symlink())


def _holds(path: Path, touched: set[Path]) -> bool:
    return any(each.is_relative_to(path) for each in touched)


def _is_file(path: Path, run: Path) -> bool:
    """Whether a file is this run's own: not a link, and not in a folder that is one."""
    return path.is_file() and path.resolve() == path and path.is_relative_to(run)


def _manifests(run: Path) -> Iterator[tuple[Path, Manifest]]:
    for folder in sorted({file.parent for file in run.glob(f"**/{PARTS}")}):
        half_written = any(part.startswith(".") for part in folder.relative_to(run).parts)
        if not half_written and folder.resolve() == folder:
            first = min(folder.glob(PARTS))
            if not first.is_file():  # a pipe would be waited for
                raise UsageError("A part of a manifest is no file.", received=first, advice="Remove it.")
            yield folder, _kind(first)


def _kind(file: Path) -> Manifest:
    with _readable(file):
        return kind_of(file)


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise UsageError(
            "A manifest in the runs folder cannot be read, so nobody knows whom it holds.",
            received=f"{place} ({next(iter(str(problem).splitlines()), '')})",
            advice="Remove that run, then forget again.",
        ) from problem


def faces_behind(dataset: Path) -> tuple[Path, ...]:
    """The faces that a dataset points into; none where they are not there any more."""
    try:
        return faces_of(dataset, ())
    except UsageError:
        return ()

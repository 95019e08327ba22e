"""Which runs somebody needs, and the deleting of the others."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.model.checkpoint import DESCRIPTION, WEIGHTS, fingerprint
from components.verify.database import network_of
from components.verify.runs import HERE, newest
from pipelines.cache.named import files_named
from pipelines.description import HEADLINE, LESS_IS_BETTER
from pipelines.erase.erase import clear_leftovers
from pipelines.look import history
from pipelines.look.history import Run, photos
from pipelines.records.files import RUN_FILE
from pipelines.records.folder import LATEST
from pipelines.records.notes import KEEP
from pipelines.records.record import RUNNING

# Of a run that is being deleted: hidden, so that it is none any more, and with the ending of what nobody needs.
_GOING = ".partial"


def needed(runs: Path, known: Sequence[Run], keep: int, galleries: Sequence[Path]) -> dict[str, str]:
    """The runs that somebody needs, and why.

    Args:
        runs: the runs folder, absolute.
        known: all its runs, the newest first.
        keep: how many of the newest are needed.
        galleries: files whose networks are in use.

    Returns:
        The first reason for each, by the run's id.

    Raises:
        UsageError: a gallery cannot be read.
    """
    kept: dict[str, str] = {}

    def add(names: Iterator[str] | Sequence[str], why: str) -> None:
        for name in names:
            kept.setdefault(name, why)

    latest = Path(os.path.realpath(runs / LATEST))
    add([latest.name] if latest.parent == runs.resolve() else [], f"it is {LATEST}")
    add([one.record.id for one in known[:keep]], "it is one of the newest")
    add([one.record.id for one in known if one.state == RUNNING], "it is going on")
    add([one.record.id for one in known if one.problem], "nobody knows what it holds: its record cannot be read")
    add([one.record.id for one in known if KEEP in one.notes.tags], f"it has the tag {KEEP}")
    for label, name in _best(known):
        add([name], f"the best {label} on its photos")
    add(_in_use(runs, known, galleries), "its network is in use here")
    waiting = list(kept)
    while waiting:
        name = waiting.pop()
        for other in _sources(runs, name):
            if other not in kept:
                waiting.append(other)
                kept[other] = f"run {name} took something from it"
    return {one.record.id: kept[one.record.id] for one in known if one.record.id in kept}


def _best(known: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """The runs with the best scores: of each folder of photos, for each of the scores that tell which is better.

    One whose scores are in doubt is the best only where those of all are.
    """
    for place in {photos(one) for one in known}:
        there = [one for one in known if photos(one) == place]
        for key, label in HEADLINE.items():
            measured = [one for one in there if key in one.metrics]
            measured = [one for one in measured if not one.doubts] or measured
            if measured:
                sign = -1 if key in LESS_IS_BETTER else 1
                yield label, max(measured, key=lambda one: sign * one.metrics[key]).record.id


def _in_use(runs: Path, known: Sequence[Run], galleries: Sequence[Path]) -> Iterator[str]:
    """The runs that made the networks of galleries, of the file here, and that which `verify` takes without -c."""
    wanted = {network_of(gallery) for gallery in galleries}
    if HERE.is_file():
        wanted.add(_sha256(HERE))
    if wanted:
        yield from (one.record.id for one in known if wanted & set(_networks(runs / one.record.id)))
    if left := newest(runs):
        yield left.path.relative_to(runs).parts[0]


def _networks(run: Path) -> Iterator[str]:
    """What names the networks that a run made, in galleries: SHA-256 of its LiteRT files and of its checkpoints."""
    for folder, _, files in os.walk(run):  # does not follow links: what another run made is that one's
        yield from (_sha256(Path(folder, name)) for name in files if name.endswith(".tflite"))
        if {WEIGHTS, DESCRIPTION} <= {*files}:
            yield fingerprint(Path(folder))


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sources(runs: Path, name: str) -> Iterator[str]:
    """The runs that a run took results from, repeats a part of, was given files of, or has links to."""
    run = history.run(runs, name)
    if run is None or run.problem:
        return
    places = [path for path in (runs / name).glob("*/*") if path.is_symlink()]
    if run.record.origin:
        places.append(runs / run.record.origin)
    for task in history.tasks(runs, run):
        if task.origin:
            places.append(runs / task.origin["run"])
        places += [runs / one["path"] for given in task.inputs.values() for one in given]
        places += [runs / one["path"] for one in task.outputs.values()]
        places += [path.absolute() for path in files_named(task.parameters).values()]
    for place in places:
        for path in (place, place.resolve()):
            if path.is_relative_to(runs) and path != runs:
                yield path.relative_to(runs).parts[0]


def size_of(run: Path) -> int:
    """The bytes of the files in a run's folder; what links lead to is another's."""
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(run) for name in names)


def delete(runs: Path, name: str) -> None:
    """Deletes a run: killed anywhere, it is there whole, or is none any more, and the next `clear` ends it."""
    going = runs / f".{name}{_GOING}"
    (runs / name).rename(going)
    (going / RUN_FILE).unlink(missing_ok=True)
    shutil.rmtree(going)


def clear(runs: Path) -> None:
    """Deletes what a killed command left half-written or half-deleted."""
    clear_leftovers(runs)

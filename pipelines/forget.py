"""`facenet forget`: erases a person from a gallery, and from what runs left."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.common.names import plain
from components.common.quantity import quantity
from pipelines.records.lock import hold_alone

if TYPE_CHECKING:
    from components.verify.corrections import Mention
    from pipelines.erase.find import Traces
    from pipelines.erase.search import Searched

_GALLERY = Path("gallery.db")
_CORRECTIONS = Path("corrections.json")
_LISTED = 5


@dataclass(frozen=True)
class Settings:
    """Erase a person from a gallery, from all runs of a folder, or from both; and from what was said of their photos.

    In a runs folder the person is removed from every manifest; the cards, reports and TensorBoard pictures of the runs
    that they are in are erased whole. A network that learned from them cannot unlearn: train a new one.
    """

    name: Annotated[str, Flag(positional=True)]
    """The person: the name of their folder of photos, or the name they were enrolled under. For --runs also a photo, of
    somebody in a folder of unnamed people: FOLDER/1.jpg."""
    gallery: Annotated[Path | None, Flag("FILE", short="-g")] = None
    """The gallery to erase from; gallery.db in the working folder when neither --gallery nor --runs is given."""
    runs: Annotated[Path | None, Flag("DIR")] = None
    """The runs folder to erase from."""
    corrections: Annotated[Path, Flag("FILE")] = _CORRECTIONS
    """What was said with --same and --different of `facenet cluster`; looked into whenever it is there."""
    dry_run: bool = False
    """Erase nothing; list what would be erased."""
    json: bool = False
    """Print JSON, for programs."""


def _forget(settings: Settings) -> None:
    gallery = settings.gallery or (None if settings.runs else _GALLERY)
    answer: dict[str, Any] = {"name": settings.name}
    said: set[Mention] = set()
    if gallery is not None:
        faces, said = _from_gallery(gallery, settings)
        answer |= {"gallery": str(gallery), "faces": faces}
    if settings.runs is not None:
        erased, more = _from_runs(settings.runs.absolute(), settings)
        answer |= {"runs": erased}
        said |= more
    answer |= {"corrections": {"file": str(settings.corrections), "faces": len(said)}}
    print(json.dumps(answer) if settings.json else _in_words(answer, settings.dry_run))
    if left := answer.get("runs", {}).get("left"):
        raise FacenetError(
            "Something that names them, or shows their face, is left in the runs folder.",
            received=_few(left),
            advice="Look at it, and remove or rename what is theirs.",
        )


def _unsay(settings: Settings, theirs: Callable[[Mention], bool], others: Iterable[str] = ()) -> set[Mention]:
    """From what was said of photos, before what tells their faces there is erased."""
    from components.verify.unsay import unsay
    from pipelines.erase.mentions import mentions

    return unsay(settings.corrections, mentions(settings.name, others), theirs, dry_run=settings.dry_run)


def _from_gallery(file: Path, settings: Settings) -> tuple[int, set[Mention]]:
    from components.verify.gallery import open_gallery
    from components.verify.unsay import on_photos

    with open_gallery(file) as gallery:
        said = _unsay(settings, on_photos(gallery.photos_of(settings.name)))
        return gallery.faces_of(settings.name) if settings.dry_run else gallery.forget(settings.name), said


def _from_runs(runs: Path, settings: Settings) -> tuple[dict[str, Any], set[Mention]]:
    from pipelines.erase.erase import clear_leftovers, erase, pending
    from pipelines.erase.find import find
    from pipelines.erase.search import Search

    name, dry_run = settings.name, settings.dry_run
    if not runs.is_dir():
        raise UsageError(
            "There is no such runs folder.", received=runs, advice="Give the one of your runs with --runs."
        )
    if {"", ".", ".."} & set(name.split("/")) or not _is_text(name):
        raise UsageError(
            "This cannot be a person's name.",
            received=repr(name),
            advice="Give their folder's name, or one photo as FOLDER/1.jpg.",
        )
    with nullcontext() if dry_run else hold_alone(runs):
        if not dry_run:
            clear_leftovers(runs)
        traces = find(name, runs, pending(runs, name))
        # A run that failed before it had a manifest may name them in its log.
        if not traces.manifests and not Search(name, set(), set(), traces.others)(runs, set()).left:
            raise UsageError(
                "Nobody of this name is in these runs.", received=f"{name}; {runs}", advice=_spelling(runs)
            )
        said = _unsay(settings, lambda face: any(map(face.shows, traces.boxes.get(face.sha256, ()))), traces.others)
        if dry_run:
            return _counts(traces), said
        summary, searched = erase(name, runs, traces)
        return {**summary, "manifests": _counts(traces)["manifests"], **_findings(searched)}, said


def _is_text(name: str) -> bool:
    return name.encode(errors="replace").decode() == name


def _findings(searched: Searched) -> dict[str, Any]:
    return {key: sorted(value) if isinstance(value, set) else value for key, value in vars(searched).items()}


def _spelling(runs: Path) -> str:
    return f"A person's name is that of their folder of photos, in its spelling; {runs.name}/ID/run.json says which."


def _counts(traces: Traces) -> dict[str, Any]:
    return {
        "runs": sorted(folder.name for folder in traces.runs),
        "faces": len(traces.face_ids),
        "manifests": {str(path): rows for path, (_, rows) in sorted(traces.manifests.items())},
        "pages": len(traces.pages),
        "files": len(traces.pictures),
    }


def _in_words(answer: dict[str, Any], dry_run: bool) -> str:
    lines, name = [], plain(answer["name"])
    if "gallery" in answer:
        done = "are in" if dry_run else "removed from"
        lines.append(f"{name} and {answer['faces']} faces {done} {plain(answer['gallery'])}")
    if said := answer["corrections"]["faces"]:
        done = "would be removed from" if dry_run else "removed from"
        lines.append(f"{quantity(said, 'face')} {done} {plain(answer['corrections']['file'])}")
    if "runs" in answer:
        erased = answer["runs"]
        done = "would be erased" if dry_run else "erased"
        lines += [f"{rows:>7} rows  {plain(path)}" for path, rows in erased["manifests"].items()]
        lines.append(
            f"{name}, {erased['faces']} faces in {len(erased['runs'])} runs, with {erased['pages']} cards and "
            f"reports and {erased['files']} other files of these runs: {done}."
        )
        if "searched" in erased:
            lines += _search_in_words(erased)
        lines.append(
            "Still there: the photos, whatever was copied elsewhere, and what networks learned from them.\n"
            f"Remove {'the photo' if '/' in answer['name'] else 'their folder of photos'}, or the next run finds them "
            "again; "
            "train anew for a network that never saw them."
        )
    return "\n".join(lines)


def _search_in_words(result: dict[str, Any]) -> list[str]:
    lines = [f"Searched {result['searched']} files: {'see below' if result['left'] else 'nothing of them is left'}."]
    if result["given"]:
        lines.append(f"Their name is also a word, or in a path, that was given to a run: {_few(result['given'])}")
    if result["packed"]:
        lines.append(f"Not looked into, because they are packed: {_few(result['packed'])}")
    if result["shared"]:
        lines.append(f"The same picture stays under other names: {_few(result['shared'])}")
    return lines


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _forget, argv, prog="facenet forget")


if __name__ == "__main__":
    sys.exit(main())

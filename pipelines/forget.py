"""`facenet forget`: erases a person from a gallery, and from what runs left."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Flag
from components.common.names import plain
from pipelines.local.record import RUNNING, is_alive, read_run

if TYPE_CHECKING:
    from pipelines.erase.find import Found

_GALLERY = Path("gallery.db")


@dataclass(frozen=True)
class Settings:
    """Erase a person from a gallery, from all runs of a folder, or from both.

    Of runs: from every manifest. Cards, reports and TensorBoard's pictures of the runs that they are in are erased
    whole. A network that learned from them cannot unlearn: train anew.
    """

    name: Annotated[str, Flag(positional=True)]
    """Their folder of photos, or the name they were enrolled under."""
    gallery: Annotated[Path | None, Flag("FILE", short="-g")] = None
    """The gallery. Without it and without --runs: gallery.db here."""
    runs: Annotated[Path | None, Flag("DIR")] = None
    """The runs folder."""
    dry_run: bool = False
    """Only list what is there of them."""
    json: bool = False
    """Print JSON, for programs."""


def _forget(settings: Settings) -> None:
    gallery = settings.gallery or (None if settings.runs else _GALLERY)
    said: dict[str, Any] = {"name": settings.name}
    if gallery is not None:
        said |= {"gallery": str(gallery), "faces": _from_gallery(gallery, settings.name, settings.dry_run)}
    if settings.runs is not None:
        said |= {"runs": _from_runs(settings.runs.absolute(), settings.name, settings.dry_run)}
    print(json.dumps(said) if settings.json else _in_words(said, settings.dry_run))


def _from_gallery(file: Path, name: str, dry_run: bool) -> int:
    from components.verify.gallery import opened

    with opened(file) as gallery:
        return gallery.faces_of(name) if dry_run else gallery.forget(name)


def _from_runs(runs: Path, name: str, dry_run: bool) -> dict[str, Any]:
    from pipelines.erase.erase import clear_leftovers, erase, pending
    from pipelines.erase.find import find

    if not runs.is_dir():
        raise UsageError(
            "There is no such runs folder.", received=runs, advice="Give the one of your runs with --runs."
        )
    if not name or "/" in name or name in (".", ".."):
        raise UsageError("This cannot be a person's name.", received=repr(name), advice="Give their folder's name.")
    for file in runs.glob("*/run.json"):
        if read_run(runs, file.parent.name).state == RUNNING and is_alive(runs, file.parent.name):
            raise UsageError("A run is going on in this folder.", received=file.parent, advice="Wait for its end.")
    if not dry_run:
        clear_leftovers(runs)
    found = find(name, runs, pending(runs, name))
    if not found.manifests:
        raise UsageError("Nobody of this name is in these runs.", received=f"{name}; {runs}", advice=_spelling(runs))
    return _listed(found) if dry_run else {**erase(name, runs, found), "manifests": _listed(found)["manifests"]}


def _spelling(runs: Path) -> str:
    return f"A person's name is that of their folder of photos, in its spelling; {runs.name}/ID/run.json says which."


def _listed(found: Found) -> dict[str, Any]:
    return {
        "runs": sorted(folder.name for folder in found.runs),
        "faces": len(found.face_ids),
        "manifests": {str(path): rows for path, (_, rows) in sorted(found.manifests.items())},
        "pages": len(found.pages),
        "files": len(found.pictures),
    }


def _in_words(said: dict[str, Any], dry_run: bool) -> str:
    lines, name = [], plain(said["name"])
    if "gallery" in said:
        done = "are in" if dry_run else "removed from"
        lines.append(f"{name} and {said['faces']} faces {done} {plain(said['gallery'])}")
    if "runs" in said:
        found = said["runs"]
        done = "would be erased" if dry_run else "erased"
        lines += [f"{rows:>7} rows  {plain(path)}" for path, rows in found["manifests"].items()]
        lines.append(
            f"{name}, {found['faces']} faces in {len(found['runs'])} runs, with {found['pages']} cards and "
            f"reports and {found['files']} other files of these runs: {done}."
        )
        lines.append(
            "Still there: the photos, whatever was copied elsewhere, and what networks learned from them.\n"
            "Remove their folder of photos, or the next run finds them again; "
            "train anew for a network that never saw them."
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _forget, argv, prog="facenet forget")


if __name__ == "__main__":
    sys.exit(main())

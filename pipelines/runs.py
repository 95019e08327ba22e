"""`facenet runs`: the runs of a folder, newest first; with --prune, without those that nobody needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import RUNS, Flag, Runs
from components.common.quantity import quantity
from pipelines.look import history
from pipelines.look.listed import describe, listed
from pipelines.look.words import bytes_in_words, table
from pipelines.records.lock import hold_alone

_GALLERY = Path("gallery.db")


@dataclass(frozen=True)
class Settings:
    """List the runs of a runs folder, newest first: how they ended, and how good their networks are."""

    runs: Runs = RUNS
    json: bool = False
    """Print a JSON list, for programs."""
    prune: bool = False
    """Delete the runs that nobody needs. Kept are the newest ones; of each folder of photos those with the best scores;
    those with the tag `keep`; those whose network is used here: by a gallery, as facenet.tflite, or by `facenet verify`
    without -c; and whatever these took their results from."""
    keep: int = 10
    """With --prune: how many of the newest runs are kept."""
    gallery: Annotated[tuple[Path, ...], Flag("FILE", short="-g", repeated=True)] = ()
    """With --prune: a gallery whose network is kept; that in gallery.db here always is."""
    dry_run: bool = False
    """With --prune: delete nothing, only say what would be, and why the others are kept."""

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise UsageError("--keep must be 1 or more.", received=self.keep)
        if self.prune and self.json:
            raise UsageError("--prune prints no JSON.", advice="Leave out --json; --dry-run changes nothing.")
        if not self.prune and (self.dry_run or self.gallery):
            raise UsageError("--dry-run and --gallery belong to --prune.", advice="Add --prune.")


def _list(settings: Settings) -> None:
    if settings.prune:
        _prune(settings)
        return
    runs = history.runs(settings.runs)
    if settings.json:
        print(json.dumps([describe(one) for one in runs], indent=1))
    elif runs:
        print(listed(runs))
    else:
        print("No runs yet: `facenet run -i PHOTOS` makes one.")


def _prune(settings: Settings) -> None:
    from pipelines.prune import clear, delete, needed, size_of

    runs = settings.runs.absolute()
    galleries = [*settings.gallery, *([_GALLERY] if _GALLERY.is_file() else [])]
    known = history.runs(runs)  # that there are none is said before a lock is made there
    with nullcontext() if settings.dry_run else hold_alone(runs):
        if not settings.dry_run:
            clear(runs)
            known = history.runs(runs)
        kept = needed(runs, known, settings.keep, galleries)
        print(
            table(("kept", "because"), [(one.record.id, kept[one.record.id]) for one in known if one.record.id in kept])
        )
        left = [one.record.id for one in known if one.record.id not in kept]
        freed = 0
        for name in left:
            size = size_of(runs / name)
            if not settings.dry_run:
                delete(runs, name)
            freed += size
            print(
                f"{name}  {'would be deleted' if settings.dry_run else 'deleted'}, {bytes_in_words(size)}", flush=True
            )
    done = "would be deleted, which frees" if settings.dry_run else "deleted, which freed"
    print(f"{quantity(len(left), 'run')} {done} {bytes_in_words(freed)}; {len(kept):,} kept.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _list, argv, prog="facenet runs")


if __name__ == "__main__":
    sys.exit(main())

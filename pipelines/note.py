"""`facenet note`: what people say of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from components.common.command import run
from components.common.flags import RUNS, Flag, Runs
from pipelines.look.find import find_run
from pipelines.records.lock import share
from pipelines.records.notes import Notes, read_notes, write_notes


@dataclass(frozen=True)
class Settings:
    """Say something of a run, which `facenet runs`, `facenet show` and the pages then show with it."""

    run: Annotated[str, Flag(positional=True)]
    """The run: its id, or latest."""
    text: Annotated[str | None, Flag(positional=True)] = None
    """The note, in place of a former one; "" removes it."""
    tag: Annotated[tuple[str, ...], Flag("WORD", repeated=True)] = ()
    """Put a tag on the run. A run with the tag `keep` is not deleted by `facenet runs --prune`."""
    untag: Annotated[tuple[str, ...], Flag("WORD", repeated=True)] = ()
    """Take a tag off."""
    runs: Runs = RUNS


def _take_down(settings: Settings) -> None:
    runs = settings.runs.absolute()
    with share(runs):  # nobody is forgotten meanwhile
        name = find_run(runs, settings.run).record.id
        former = read_notes(runs, name)
        text = former.note if settings.text is None else settings.text
        write_notes(runs, name, Notes(text, tuple({*former.tags, *settings.tag} - {*settings.untag})))
        now = read_notes(runs, name)
    print(f"{name}: {now.note or '(no note)'}{''.join(f' [{tag}]' for tag in now.tags)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _take_down, argv, prog="facenet note")


if __name__ == "__main__":
    sys.exit(main())

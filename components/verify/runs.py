"""The network that the runs in a folder left: what `facenet run` writes there, read without any of its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.errors import MALFORMED
from components.common.flags import RUNS
from components.common.records import read_json

# What is used before any run's: a file in the working folder.
HERE = Path("facenet.tflite")
# In a run's folder: an export, and what is there without one.
_EXPORT, _CHECKPOINT = Path("export/model"), Path("mine-and-train/checkpoint")
# Of exports from before they said which file is the best.
_BEST_BEFORE = "facenet-int8.tflite"


@dataclass(frozen=True)
class Left:
    """A network that a run left.

    Args:
        path: where it lies.
        about: which run that was, in a sentence.
    """

    path: Path
    about: str


def newest(folder: Path = RUNS) -> Left | None:
    """The network of the newest run that left one, whatever runs came after it; None when none did."""
    for later, (run, record) in enumerate(by_age(folder)):
        for path in (best_file(run / _EXPORT), run / _CHECKPOINT):
            if path.exists():
                return Left(path, _about(path, record, later))
    return None


def best_file(export: Path) -> Path:
    """The file that an export calls its best; it need not be there.

    Args:
        export: the folder that `facenet export` wrote.
    """
    try:
        name = read_json((export / "export.json").read_bytes())["best"]
        return next(file for file in export.iterdir() if file.name == name)
    except (OSError, StopIteration, *MALFORMED):
        return export / _BEST_BEFORE


def by_age(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The folders of runs and what their records say, the newest run first; of one without a record nothing."""
    return sorted(_runs(folder), key=lambda run: (str(run[1].get("started", "")), run[0].name), reverse=True)


def _runs(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    with suppress(OSError):
        for run in folder.iterdir():
            if run.is_symlink() or not run.is_dir():  # `latest` is one of the others
                continue
            record: Any = {}
            with suppress(OSError, *MALFORMED):
                record = read_json((run / "run.json").read_bytes())
            yield run, record if isinstance(record, dict) else {}


def _about(path: Path, record: dict[str, Any], later: int) -> str:
    said = [str(path)]
    if isinstance(started := record.get("started"), str):
        said.append(f"of the run of {started[:16].replace('T', ' ')} UTC")
    with suppress(*MALFORMED):
        said.append(f"on the photos {record['parameters']['photos']}")
    with suppress(*MALFORMED):
        said.append(f"trained on {record['metrics']['collect']['train_identities']:,} people")
    if later:
        said.append(f"{later:,} newer {'run' if later == 1 else 'runs'} left none")
    return f"The network: {', '.join(said)}. -c takes another."

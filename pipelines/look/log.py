"""The logs of tasks in pieces, as a terminal would show them: a log of 100 MB is not read to show its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.look.inside import inside
from pipelines.records.record import TaskRecord

CHUNK = 256 * 1024  # bytes that are sent at a time
_LINES = 20
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Piece:
    """A part of a log.

    Args:
        text: what a terminal would show of it in the end.
        start: its first byte in the file.
        end: the byte after its last.
        size: of the file, in bytes.
    """

    text: str
    start: int
    end: int
    size: int


def log_file(folder: Path, task: TaskRecord) -> Path | None:
    """The log of a task; None when there is none in the runs folder."""
    file = inside(folder, folder / task.log) if task.log else None
    return file if file and file.is_file() else None


def log_end(file: Path | None) -> list[str]:
    """The last lines of a log; none where there is no log."""
    return [] if file is None else log_before(file, file.stat().st_size, ended=True).text.splitlines()[-_LINES:]


def error(folder: Path, task: TaskRecord) -> str:
    """What a failed task said of it in the end: a stage's headline, or else its last line; "" when it said nothing."""
    lines = [line for line in log_end(log_file(folder, task)) if line.strip()]
    headlines = [line.partition(": ")[2] for line in lines if line.startswith("facenet ")]
    return (headlines or lines or [""])[-1].strip()


def log_part(file: Path, start: int, stop: int | None = None, *, ended: bool) -> Piece:
    """Some lines of a log, as many as are sent at a time.

    Args:
        file: the log.
        start: the byte where a line begins.
        stop: the byte where another begins that is not wanted; None for the end of the file.
        ended: whether nothing more comes: a last line without an end is shown then, and waited for otherwise.
    """
    with file.open("rb") as log:
        size = log.seek(0, 2)
        start = max(0, min(start, size))
        log.seek(start)
        content = log.read(min(CHUNK, max(0, (size if stop is None else stop) - start)))
    whole = content.rfind(b"\n") + 1
    last = ended and start + len(content) == size
    if not last and (whole or len(content) < CHUNK):
        content = content[:whole]
    return Piece(as_shown(content), start, start + len(content), size)


def log_before(file: Path, stop: int, *, ended: bool) -> Piece:
    """The lines of a log before a byte, or the last of them that there is room for; see `log_part`."""
    start = max(0, stop - CHUNK)
    if start:
        with file.open("rb") as log:
            log.seek(start)
            log.readline(CHUNK)
            start = log.tell() if log.tell() < stop else start  # of a line that is longer, its end
    return log_part(file, start, stop, ended=ended)


def as_shown(content: bytes) -> str:
    """Text as a terminal would leave it: of a line that was written over its last state, and no colours."""
    text = _COLOURS.sub("", content.decode("utf-8", errors="replace"))
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))

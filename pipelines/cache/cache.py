"""Answers a task with what an earlier run made of the same ingredients."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from components.common.errors import FacenetError
from components.common.names import one_form
from components.specification.code import Names
from pipelines.cache import content
from pipelines.cache.ingredients import Ingredients, Program
from pipelines.plan.render import Artifact
from pipelines.plan.tasks import Container, Task
from pipelines.plan.values import Value
from pipelines.records.files import read_task
from pipelines.records.folder import unusable
from pipelines.records.lock import REFUSED
from pipelines.records.record import SUCCEEDED, TaskRecord

_FILE = "cache.sqlite"
_MEMORY = ":memory:"
_ANSWERS = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, run TEXT, task TEXT) WITHOUT ROWID"


class Cache:
    """Which run answers which key: one small database in the runs folder, safe to delete.

    The database holds only pointers. The answer itself is the record of a succeeded task, and is checked: its artifacts
    must still be there with the content that the record states.

    Args:
        runs: the runs folder; made when missing.
        program: what a container's command runs, given what reads a file's imports.
    """

    def __init__(self, runs: Path, program: Callable[[Container, Names], Program]) -> None:
        self._runs = runs
        self._program = program
        self._database = _database(runs)
        self.contents = content.Contents(self._database)

    def ingredients(
        self, task: Task, parameters: Mapping[str, Value], inputs: Mapping[str, Sequence[Artifact]]
    ) -> Ingredients | None:
        """What a task's result is made from; None when the pipeline says not to cache it."""
        if not task.cacheable or not isinstance(task.executor, Container):
            return None
        return Ingredients(task, parameters, inputs, self._program, self.contents)

    def remember(self, key: str, run: str, task: str) -> None:
        """Notes that a task of a run answers a key."""
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, run, task))

    def answer(self, key: str) -> tuple[str, TaskRecord] | None:
        """The run and the record of the task that answers a key; None when there is none that still holds."""
        row = self._database.execute("SELECT run, task FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        run, task = row
        record = read_task(self._runs, run, task)
        if record is None or record.state != SUCCEEDED or record.cache_key != key:
            return None
        return (run, record) if self.whole(record) else None

    def forget(self, name: str, runs: Iterable[str]) -> None:
        """Answers with nothing that these runs made, and remembers no path of this name."""
        if not self._database.execute("PRAGMA database_list").fetchone()[2]:  # in memory
            (self._runs / _FILE).unlink(missing_ok=True)
        self._database.execute("PRAGMA secure_delete = ON")
        folder = f"/{one_form(name)}/"
        with self._database:
            known = self._database.execute("SELECT path FROM content UNION SELECT path FROM imports").fetchall()
            theirs = [row for row in known if folder in one_form(os.fsdecode(row[0])) + "/"]
            self._database.executemany("DELETE FROM content WHERE path = ?", theirs)
            # The code may lie below a folder of that name.
            self._database.executemany("DELETE FROM imports WHERE path = ?", theirs)
            self._database.executemany("DELETE FROM answers WHERE run = ?", [(run,) for run in runs])
        self._database.execute("VACUUM")

    def whole(self, record: TaskRecord) -> bool:
        """Whether the artifacts of a record are still there with the content that it states."""
        for output in record.outputs.values():
            path = self._runs / output["path"]
            if output["on_disk"] and not (path.exists() and self.contents.sha256(path) == output["sha256"]):
                return False
        return True


def _place(file: Path) -> Path | str:
    """The file of the database, or SQLite's name of the memory where the system lets nobody lock or write there.

    SQLite itself would say of a file system without locks that the database is locked, after a minute.
    """
    try:
        with tempfile.TemporaryFile(dir=file.parent) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.exists() and not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if error.errno in REFUSED:
            print(f"Without the cache: {file} ({error.strerror})", file=sys.stderr)
            return _MEMORY
    return file


def _database(runs: Path) -> sqlite3.Connection:
    """The database in a runs folder, or one in memory where the system lets nobody lock or write there.

    Raises:
        UsageError: the runs folder cannot be made.
        FacenetError: the database cannot be used otherwise.
    """
    file = runs / _FILE
    try:
        runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(runs, error) from error
    place = _place(file)
    try:
        # Several runs may use it at once: each waits for the other's writing to end.
        database = sqlite3.connect(place, timeout=60)
        with database:
            database.executescript(content.TABLES)
            database.execute(_ANSWERS)
    except sqlite3.Error as error:
        raise out_of_use(runs, error) from error
    return database


def out_of_use(runs: Path, error: sqlite3.Error) -> FacenetError:
    """That the database in a runs folder cannot be used."""
    return FacenetError(
        "The cache in the runs folder cannot be used.",
        received=f"{runs / _FILE} ({error})",
        advice="Is the disk full? Or delete that file (it only costs time), or give another folder to --runs.",
    )

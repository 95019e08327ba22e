"""A database that somebody else may have written is data: nothing in it is to run, and nothing to take for ever.

A view, a trigger or a generated column would answer in place of what is stored, or do what nobody asked for. See
"Untrusted SQLite Database Files" in https://www.sqlite.org/security.html.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

# Bytes of a value or of a statement: an embedding of 262,144 numbers. SQLite's own limit is a thousand times that.
_LONGEST = 2**20
# With this a journal begins, and ends where it names another one: https://www.sqlite.org/fileformat2.html, section 3.
_JOURNAL = bytes.fromhex("d9d505f920a163d7")
# Steps of SQLite's machine to read a schema: a few tables take a hundred.
_STEPS = 10_000


def fault_beside(file: Path) -> str:
    """What is wrong with the files that SQLite reads beside a database, in words; empty when nothing is.

    A journal may end with the name of another one, of several databases that were changed together. SQLite removes the
    file of that name, whatever it is, when it opens the database. And it would wait for whoever writes to a pipe.
    """
    for name in ("-journal", "-wal", "-shm"):
        path = Path(f"{file.resolve()}{name}")
        if path.exists() and not path.is_file():
            return f"{path.name} is no file"
        if path.is_file() and name == "-journal":
            with path.open("rb") as journal:
                size = journal.seek(0, os.SEEK_END)
                journal.seek(max(0, size - len(_JOURNAL)))
                if size > len(_JOURNAL) and journal.read() == _JOURNAL:
                    return f"{path.name} names another file, which SQLite would remove"
    return ""


def guard(connection: sqlite3.Connection) -> None:
    """Guards a connection, before anything else is asked of it: it changes nothing until `query_only` is turned off."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.executescript(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON;"
    )


def fault_in(connection: sqlite3.Connection, tables: str) -> str:
    """What is wrong with a database: damage, or anything that is not one of these tables.

    Args:
        connection: guarded, and nothing read from it but its schema.
        tables: the statements that make its tables.

    Returns:
        In words; empty when there is nothing.

    Raises:
        sqlite3.Error: it cannot be read at all.
    """
    with closing(sqlite3.connect(":memory:")) as own:
        own.executescript(tables)
        odd = schema(connection) ^ schema(own)
    if odd:
        return f"not as it should be: {', '.join(sorted({f'{kind} {name}' for kind, name, *_ in odd}))}"
    # Pages that are used twice could be gone through without end, and an index may leave out what the table has.
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return "" if said == "ok" else str(said)


def schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """What is in a database: the kind, name, table, and statement of each, whatever its comments and its spaces."""
    connection.set_progress_handler(lambda: True, _STEPS)  # as often as that, and it ends
    try:
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return {(*map(str, row[:3]), " ".join(re.sub("--.*", "", str(row[3])).split())) for row in rows}

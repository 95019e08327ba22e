"""A runs folder: the folders of new runs, and the link to the latest one."""

from __future__ import annotations

import errno
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from components.common.errors import UsageError

LATEST = "latest"


def new_run(runs: Path) -> str:
    """Makes the folder of a new run.

    Returns:
        The id of the run: ids sort by time, and no two runs have the same.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            identifier = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
            try:
                (runs / identifier).mkdir()
                break
            except FileExistsError:  # another run began in the same millisecond
                time.sleep(0.001)
    except OSError as error:
        raise unusable(runs, error) from error
    return identifier


def point_latest(runs: Path, run: str) -> None:
    """Points `RUNS/latest` to a run whose records are there: after a kill at any time it is one that can be read."""
    link = runs / f".latest-{run}"
    try:
        if make_link(link, Path(run)):
            link.replace(runs / LATEST)
        else:
            print(f"Without {runs / 'latest'}: this file system has no links.", file=sys.stderr)
    except OSError as error:
        raise unusable(runs, error) from error


def make_link(link: Path, target: Path) -> bool:
    """Makes a link, which is a convenience for people; says whether the file system has links (FAT has none)."""
    try:
        link.symlink_to(target)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            return False
        raise
    return True


def unusable(runs: Path, error: OSError) -> UsageError:
    """The error for a runs folder that cannot be made or written to."""
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    return UsageError(
        "The runs folder cannot be written to.",
        received=f"{runs} ({'a file is in the way' if in_the_way else error.strerror})",
        advice="Choose another one with --runs.",
    )

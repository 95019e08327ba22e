"""A command: flags in, one call, exit code out."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, TypeVar, cast

from components.common.errors import FacenetError, UsageError
from components.common.names import plain
from components.common.parsing import parse
from components.common.shortage import disk_is_full, memory_ran_out

Settings = TypeVar("Settings")

# The exit code of a stage that was told to stop, and goes on when the same command is given again: EX_TEMPFAIL.
RESUMABLE = 75
# That of a training that has failed by itself, by its settings: one that has collapsed, for instance.
FAILED_TRAINING = 4
# In the environment of a task: the process id of the runner that started it.
RUNNER = "FACENET_RUNNER"
# The variable that sets the number of TensorFlow's threads; without it there is one for each processor. TensorFlow
# divides its sums among them, so the last bits of a result depend on their number.
TENSORFLOW_THREADS = "TF_NUM_INTRAOP_THREADS"
# Set free for the words that say that memory ran out: Python asks the system for a megabyte at a time.
_SPARE = 3 * 2**20


def _stop(number: int, frame: FrameType | None) -> None:
    # As an exception, so that what was written aside is cleaned up on the way out.
    raise SystemExit(128 + number)


def run(
    settings: type[Settings],
    call: Callable[[Settings], int | None],
    argv: Sequence[str] | None,
    *,
    prog: str,
    hint: Callable[[str, str], str] | None = None,
) -> int:
    """Parses the flags of a command, calls it, and turns errors into a message and an exit code.

    Args:
        settings: the dataclass of the flags.
        call: does the work.
        argv: the arguments after the command's name; `sys.argv[1:]` when None.
        prog: the command as the user types it.
        hint: see `parsing.parse`.

    Returns:
        0, what `call` returned, 1 for a failed task, 2 for wrong use, 130 for Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _stop)
    # Files of weights are written aside and renamed: nobody needs HDF5's locks, which some file systems do not have.
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    _end_with_runner()
    return report_errors(lambda: call(parse(settings, argv, prog=prog, hint=hint)), prog=prog)


def _end_with_runner() -> None:
    """Makes Linux send SIGTERM to this process when the runner that started it dies, however it dies."""
    if sys.platform == "linux" and os.environ.get(RUNNER) == str(os.getppid()):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG in <linux/prctl.h>


def _in_utf8() -> None:
    """Starts Python anew in UTF-8 mode where the locale has another encoding, in which file names would be misread."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for what this process starts, too
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


class _Plain:
    """A stream that escapes what would steer a terminal, whoever prints it and however a file is named."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(plain(text, keep="\n\r\t"))

    def close(self) -> None:
        """Leaves the stream open: it is the process's, and loggers that keep this one close it at the end."""


@contextmanager
def _plain_streams() -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every locale's encoding has every character
    with redirect_stdout(cast(TextIO, _Plain(sys.stdout))), redirect_stderr(cast(TextIO, _Plain(sys.stderr))):
        yield


def report_errors(call: Callable[[], int | None], *, prog: str) -> int:
    """Calls, prints an error as its message, and returns the exit code.

    The traceback is shown with `FACENET_DEBUG=1` (`facenet --debug`) only.
    """
    _in_utf8()
    with _plain_streams():
        return _call(call, prog)


def _call(call: Callable[[], int | None], prog: str) -> int:
    spare = bytes(_SPARE)
    try:
        return call() or 0
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped by Ctrl-C; nothing half-written was left.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `facenet ... | head`: nobody reads on
        # What is still to be printed at the end of the process must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ModuleNotFoundError:
        raise  # `facenet` says what to install
    except Exception as error:
        del spare
        if os.environ.get("FACENET_DEBUG") == "1":
            raise
        traceback.clear_frames(error.__traceback__)  # what they hold may be all the memory there is
        # On a full disk, a UsageError would speak of rights; any other error says more than that the disk is full.
        short = memory_ran_out(error) or (isinstance(error, UsageError) and disk_is_full(error))
        explained = error if isinstance(error, FacenetError) and not short else _explain(error)
        print(f"{prog}: {explained}", file=sys.stderr)
        return explained.exit_code


def _explain(error: Exception) -> FacenetError:
    """What there is to say of an error of the system, of memory, or of this program itself."""
    if memory_ran_out(error):
        return FacenetError(
            "Memory ran out; former results are as they were.",
            received=error.received if isinstance(error, FacenetError) else str(error).partition("\n")[0] or None,
            advice=_LESS,
        )
    if not isinstance(error, OSError) and disk_is_full(error):
        said = error.received if isinstance(error, FacenetError) else str(error).partition("\n")[0].rpartition("}} ")[2]
        return FacenetError("The disk is full.", received=said, advice=_FULL)
    if isinstance(error, OSError):
        headline = f"The system refused: {error.strerror or error}."
        return FacenetError(
            headline, received=error.filename or error, advice=_ADVICE.get(error.errno or 0, _OTHERWISE)
        )
    place = traceback.extract_tb(error.__traceback__)[-1]
    return FacenetError(
        "Something went wrong that should not have, by a fault of this program.",
        received=f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})",
        advice="Report it with what FACENET_DEBUG=1 (or facenet --debug) shows, and without anybody's photos.",
    )


_LESS = (
    "Close other programs, give the process or container more memory and threads, or do less at once: fewer --workers, "
    "a smaller --max_pixels, a --shard, a smaller batch or network."
)
_FULL = (
    "There is no room for more data, or for more files (`df -i`): make room or choose another place, and do the same "
    "again. Former results are as they were."
)
_RIGHTS = "Choose a place that you may read and write."
_OTHERWISE = "See to that, and do the same again: what was finished is kept."
_ADVICE = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS)}

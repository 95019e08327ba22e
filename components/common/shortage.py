"""Whether an error means that memory or disk ran out, whichever library raises it, and in whatever words."""

from __future__ import annotations

import errno
import os
import re

from components.common.errors import FacenetError

# The words of the loader of shared libraries, of Python's threads and Arrow's (a thread needs memory for its stack), of
# C++, of TensorFlow, and of oneDNN in it (2.21); of Arrow (24), about any text that it has no memory for; and last of
# Python, about a library that failed without saying why.
_WORDS = re.compile(
    "failed to map segment|cannot (map zero-fill pages|allocate memory)|can't start new thread|worker thread: Resource"
    "|bad_alloc|OOM when allocating|out of memory|could not create a primitive"
    "|unexpected argument type <class 'str'> for compute function|without exception set|without setting an exception",
    re.IGNORECASE,
)


def memory_ran_out(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a lack of memory; damaged data may be the cause of either.

    Args:
        error: what was raised; its causes and contexts are followed as a traceback follows them.
    """
    if isinstance(error, MemoryError) or _exhausted(error):
        return not _no_space(error)
    if isinstance(error, OSError) and error.errno is not None:
        short = error.errno == errno.ENOMEM
    else:  # this program's own errors quote names, which may be any words
        short = not isinstance(error, FacenetError) and _WORDS.search(str(error)) is not None
    source = _source(error)
    return short or (source is not None and memory_ran_out(source))


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that the disk, or the user's share of it, has no room left.

    Args:
        error: as for `memory_ran_out`.
    """
    source = _source(error)
    full = _no_space(error) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))
    return full or (source is not None and disk_is_full(source))


def _exhausted(error: BaseException) -> bool:
    """Whether it is TensorFlow's error of memory, which is its error of a full disk too."""
    return type(error).__name__ == "ResourceExhaustedError"


def _no_space(error: BaseException) -> bool:
    return _exhausted(error) and any(os.strerror(one) in str(error) for one in (errno.ENOSPC, errno.EDQUOT))


def _source(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)

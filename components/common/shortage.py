"""Whether an error means that the system gave no more memory or disk, whichever library says so, and however."""

from __future__ import annotations

import errno
import os
import re

from components.common.errors import FacenetError

# The loader of shared libraries; Python's threads; Arrow's; C++; TensorFlow. A thread needs memory for its stack.
# Last, what Python says of a library that failed and could not say why.
_SAID = re.compile(
    "failed to map segment|cannot (map zero-fill pages|allocate memory)|can't start new thread|worker thread: Resource"
    "|bad_alloc|OOM when allocating|out of memory|without exception set|without setting an exception",
    re.IGNORECASE,
)


def memory_ran_out(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a want of memory: damaged data may be the reason of both.

    Args:
        error: what was raised; its causes and contexts are followed as a traceback follows them.
    """
    if isinstance(error, MemoryError) or _exhausted(error):
        return not _no_space(error)
    if isinstance(error, OSError) and error.errno is not None:
        short = error.errno == errno.ENOMEM
    else:  # our own errors quote names, which may be any words
        short = not isinstance(error, FacenetError) and _SAID.search(str(error)) is not None
    source = _source(error)
    return short or (source is not None and memory_ran_out(source))


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, is that there is no room for more data or files, or for those of a user.

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

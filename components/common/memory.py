"""How much memory there is."""

from __future__ import annotations

import os
from pathlib import Path

# Of a container: of both kinds of control groups.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory() -> int:
    """The bytes of memory that this process may have: the machine's, or fewer where its container is given fewer."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _LIMITS:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        limits += [int(text)] if text.isdecimal() else []  # or "max": none
    return min(limits)

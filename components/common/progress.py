"""Progress: a bar for people, and a line every half minute for logs."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress(total: int, label: str) -> tqdm[Any]:
    """Shows progress up to `total` on standard error; a context manager with `update(n)`."""
    if sys.stderr.isatty():
        return tqdm(total=total, desc=label, leave=False)
    # A log keeps every redraw: so there are few of them, each a line.
    return tqdm(total=total, desc=label, mininterval=30, file=_Lines(), ascii=True, ncols=80)


class _Lines:
    """Standard error, with every redraw of a bar as a line of its own."""

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()

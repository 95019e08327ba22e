"""`facenet export`: checkpoint + dataset -> LiteRT files."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.stage import run_stage
from components.export.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("export", Settings, "components.export.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

"""`facenet evaluate`: embeddings -> report."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.stage import run_stage
from components.evaluate.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("evaluate", Settings, "components.evaluate.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

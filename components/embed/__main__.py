"""`facenet embed`: dataset + checkpoint -> embeddings."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.stage import run_stage
from components.embed.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("embed", Settings, "components.embed.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

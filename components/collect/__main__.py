"""`facenet collect`: faces -> dataset."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.collect.settings import Settings
from components.common.stage import run_stage


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("collect", Settings, "components.collect.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

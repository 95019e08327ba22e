"""`facenet mine-and-train`: dataset -> checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.stage import run_stage
from components.mine_and_train.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("mine-and-train", Settings, "components.mine_and_train.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

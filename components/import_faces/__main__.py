"""`facenet import`: crops that others made -> faces and rejects."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.stage import run_stage
from components.import_faces.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run_stage("import", Settings, "components.import_faces.stage", argv)


if __name__ == "__main__":
    sys.exit(main())

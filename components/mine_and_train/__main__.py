"""`facenet mine-and-train`: dataset -> checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from components.common.command import report_errors
from components.common.stage import run_stage
from components.mine_and_train import choose
from components.mine_and_train.settings import Settings
from components.mine_and_train.trial import with_trial


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["choose"]:
        return choose.main(words[1:])
    return report_errors(
        lambda: run_stage("mine-and-train", Settings, "components.mine_and_train.stage", with_trial(words)),
        prog="facenet mine-and-train",
    )


if __name__ == "__main__":
    sys.exit(main())

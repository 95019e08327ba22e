"""`facenet sign`: signs what a run exported, so that whoever gets it can check whose it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.command import run
from components.common.flags import Flag
from components.verify.signature import sign
from pipelines.records.summary import short_path


@dataclass(frozen=True)
class Settings:
    """Sign a folder with a network in it, in the OpenSSF Model Signing format, as FOLDER.sig beside it.

    `facenet verify --signed-by KEY.pub` and the other commands that embed faces then check it.
    """

    key: Path
    """The private key: a PEM file without a password, of an elliptic curve (P-256, P-384 or P-521)."""
    folder: Annotated[Path, Flag("FOLDER", positional=True)] = Path("runs/latest/export/model")
    """The folder that was exported, or a checkpoint."""


def _sign(settings: Settings) -> None:
    print(f"Signed: {short_path(sign(settings.folder, settings.key))}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _sign, argv, prog="facenet sign")


if __name__ == "__main__":
    sys.exit(main())

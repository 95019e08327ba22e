"""`python -m components.verify COMMAND`: what runs on a Raspberry Pi, and in its image."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "verify": "components.verify.verify",
    "enroll": "components.verify.enroll",
    "identify": "components.verify.identify",
    "cluster": "components.verify.cluster",
    "watch": "components.verify.watch",
    "forget": "components.verify.forget",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        print(f"usage: python -m components.verify {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    code: int = importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())

"""`python -m components.verify COMMAND`: what runs on a Raspberry Pi, and in its image."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "verify": "components.verify.verify",
    "enroll": "components.verify.enroll",
    "index": "components.verify.make_index",
    "identify": "components.verify.identify",
    "rehearse": "components.verify.rehearse",
    "cluster": "components.verify.cluster",
    "watch": "components.verify.watch",
    "forget": "components.verify.forget",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] not in COMMANDS:
        asked = argv[:1] in (["-h"], ["--help"])
        usage = f"usage: facenet {{{','.join(COMMANDS)}}} ...\nWithout the facenet command: python -m components.verify"
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    code: int = importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main())

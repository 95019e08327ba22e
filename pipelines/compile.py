"""`facenet compile`: pipelines/facenet.py -> pipeline.yaml."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.atomic import write_file
from components.common.command import Output, Switch, run
from components.common.errors import FacenetError

DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "pipeline.yaml"
_HEADER = "# Generated from pipelines/facenet.py by `facenet compile`; do not edit.\n"


@dataclass(frozen=True)
class Settings:
    """Compile the pipeline to the file that a cluster and `facenet run` execute."""

    output: Output = DEFAULT_OUTPUT
    """The file to write."""
    check: Switch = False
    """true: write nothing, and fail when the file is not what the pipeline compiles to."""


def compiled() -> str:
    """The pipeline as Kubeflow's intermediate representation, in YAML; the same text for the same source."""
    from kfp import compiler

    from pipelines.facenet import facenet

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(facenet, str(file))
        return _HEADER + file.read_text(encoding="utf-8")


def _compile(settings: Settings) -> None:
    text = compiled()
    if not settings.check:
        write_file(settings.output, text)
        print(f"compiled pipeline in {settings.output}")
        return
    if not settings.output.is_file() or settings.output.read_text(encoding="utf-8") != text:
        command = "facenet compile" if settings.output == DEFAULT_OUTPUT else f"facenet compile -o {settings.output}"
        raise FacenetError(
            "The compiled pipeline is not what the pipeline compiles to now.",
            received=settings.output,
            advice=f"Run `{command}` and commit the result.",
        )
    print(f"{settings.output} is fresh")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _compile, argv, prog="facenet compile")


if __name__ == "__main__":
    sys.exit(main())

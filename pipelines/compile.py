"""`facenet compile`: pipelines/facenet.py -> pipeline.yaml -> docker/compose.yaml."""

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
COMPOSE_FILE = DEFAULT_OUTPUT.parent / "docker" / "compose.yaml"
_HEADER = "# Generated from pipelines/facenet.py by `facenet compile`; do not edit.\n"


@dataclass(frozen=True)
class Settings:
    """Compile the pipeline to the file that a cluster and `facenet run` execute, and to the one for docker compose."""

    output: Output = DEFAULT_OUTPUT
    """The file to write; docker/compose.yaml is made from the default one only."""
    check: Switch = False
    """true: write nothing, and fail when a file is not what the pipeline compiles to."""


def compiled() -> str:
    """The pipeline as Kubeflow's intermediate representation, in YAML; the same text for the same source."""
    from kfp import compiler

    from pipelines.facenet import facenet

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(facenet, str(file))
        return _HEADER + file.read_text(encoding="utf-8")


def composed(file: Path) -> str:
    """A compiled pipeline with the settings of the usual recipe, as a file for docker compose."""
    import yaml

    from pipelines.compose import HEADER, compose_file
    from pipelines.local import ir, recipe
    from pipelines.local.loops import expanded
    from pipelines.local.plan import with_setting

    pipeline = ir.read(file)
    for name, value in recipe.read(recipe.DEFAULT).settings.items():
        pipeline = with_setting(pipeline, name, value)
    text: str = yaml.safe_dump(compose_file(expanded(pipeline)), sort_keys=False, width=120)
    return HEADER.format(recipe=recipe.DEFAULT) + text


def _compile(settings: Settings) -> None:
    _put(settings.output, compiled(), settings)
    if settings.output == DEFAULT_OUTPUT:
        _put(COMPOSE_FILE, composed(DEFAULT_OUTPUT), settings)


def _put(file: Path, text: str, settings: Settings) -> None:
    if not settings.check:
        write_file(file, text)
        print(f"compiled pipeline in {file}")
        return
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        command = "facenet compile" if settings.output == DEFAULT_OUTPUT else f"facenet compile -o {settings.output}"
        raise FacenetError(
            "The compiled pipeline is not what the pipeline compiles to now.",
            received=file,
            advice=f"Run `{command}` and commit the result.",
        )
    print(f"{file} is fresh")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _compile, argv, prog="facenet compile")


if __name__ == "__main__":
    sys.exit(main())

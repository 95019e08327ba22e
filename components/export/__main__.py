"""`facenet export`: checkpoint + dataset -> LiteRT files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.atomic import check_replaceable
from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Checkpoint, ExecutorInput, Input, Output
from components.export.results import FILES, VARIANTS, switched_off
from components.model import load_tensorflow
from components.model.checkpoint import describe


@dataclass(frozen=True)
class Settings:
    """Export a network to LiteRT files for devices without TensorFlow, and prove that they see faces as it does."""

    input: Input
    """The dataset that the network was trained on: int8 is calibrated on faces of its training split, and all files are
    compared with the network on the faces of its other splits."""
    checkpoint: Checkpoint
    """The checkpoint that `facenet mine-and-train` wrote."""
    output: Output
    """Where the files go (a folder); former ones are replaced."""
    faces: tuple[Path, ...] = ()
    """Where the dataset's faces manifest, or all shards of it, lies now; where collect read it, when not given."""
    report: Path | None = None
    """The report that `facenet evaluate` wrote about this checkpoint: its thresholds go into the files."""
    variants: str = "float32,float16,dynamic,int8"
    """Which files, with commas between; empty for none, which leaves a folder that says so."""
    calibration: int = 200
    """At most so many faces are looked at for the ranges of int8."""
    held_out: int = 1000
    """About so many faces are compared; people are taken whole."""
    html: Path | None = None
    """Also write the HTML card to this file."""
    markdown: Path | None = None
    """Also write the Markdown card to this file."""
    seed: int = 0
    """Of the choice of faces."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants by name, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.variants.split(",") if name.strip()))


def _checked(settings: Settings) -> None:
    for name in settings.chosen:
        if name not in VARIANTS:
            raise UsageError("There is no such variant.", received=name, advice=f"Known: {', '.join(VARIANTS)}.")
    if settings.calibration < 1:
        raise UsageError("--calibration must be at least 1.", received=settings.calibration)
    if settings.held_out < 1:
        raise UsageError("--held_out must be at least 1.", received=settings.held_out)
    if settings.seed < 0:
        raise UsageError("--seed must not be negative.", received=settings.seed)


def _export(settings: Settings) -> None:
    _checked(settings)
    check_replaceable(settings.output, FILES)
    if settings.chosen:
        describe(settings.checkpoint)
        load_tensorflow()  # it takes seconds: a wrong path should not wait for it
        from components.export.export import export

        result = export(settings)
    else:
        result = switched_off(settings.output)
    result.tell(settings.html, settings.markdown, settings.executor_input)
    print(f"{len(result.exported)} files in {settings.output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _export, argv, prog="facenet export")


if __name__ == "__main__":
    sys.exit(main())

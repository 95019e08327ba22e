"""The flags of export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.common.atomic import check_replaceable
from components.common.errors import UsageError
from components.common.flags import Checkpoint, ExecutorInput, Html, Input, Markdown, Output, Seed
from components.export.results import FILES, VARIANTS
from components.model.checkpoint import describe


@dataclass(frozen=True)
class Settings:
    """Export a network to LiteRT files for devices without TensorFlow, and prove that they see faces as it does."""

    input: Input
    """The dataset that the network was trained on: int8 is calibrated on faces of its training split, and all files are
    compared with the network on the faces of its other splits."""
    checkpoint: Checkpoint
    """The checkpoint that `facenet mine-and-train` wrote, or `dlib`, dlib's network for faces."""
    output: Output
    """Where the files go (a folder); former ones are replaced."""
    faces: tuple[Path, ...] = ()
    """The dataset's faces manifest, or all shards of it; without it, the folders that the dataset names."""
    report: Path | None = None
    """The report that `facenet evaluate` wrote about this checkpoint: its thresholds go into the files."""
    variants: str = "float32,float16,dynamic,int8"
    """Which LiteRT files to write, of float32, float16, dynamic and int8, with commas between; empty for none, which
    leaves a folder that says so."""
    calibration: int = 200
    """The most faces of the training split from which the ranges of int8 are taken."""
    held_out: int = 1000
    """About how many faces, of people who were not trained on, each file is compared on; people are taken whole."""
    html: Html = None
    markdown: Markdown = None
    seed: Seed = 0
    executor_input: ExecutorInput = ""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants by name, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.variants.split(",") if name.strip()))

    def check(self) -> None:
        """Refuses unknown variants, numbers out of range, and something else in the place of the files."""
        for name in self.chosen:
            if name not in VARIANTS:
                raise UsageError("There is no such variant.", received=name, advice=f"Known: {', '.join(VARIANTS)}.")
        if self.calibration < 1:
            raise UsageError("--calibration must be at least 1.", received=self.calibration)
        if self.held_out < 1:
            raise UsageError("--held_out must be at least 1.", received=self.held_out)
        if self.seed < 0:
            raise UsageError("--seed must not be negative.", received=self.seed)
        check_replaceable(self.output, FILES)
        if self.chosen:
            describe(self.checkpoint)  # a wrong path should not wait for TensorFlow

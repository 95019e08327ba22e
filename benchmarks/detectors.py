"""Detectors against labels by hand: `python -m benchmarks.detectors FOLDER`, with the labelled photos below the folder.

`labels.csv` knows a photo by the SHA-256 of its file, wherever it lies. The README says how its faces were labelled.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

from PIL import Image

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.common.preprocessing import DETECTORS, Crop
from components.extract.align import landmark_model
from components.extract.crop import Box, overlap
from components.extract.photo import Extraction, faces_in
from components.extract.reasons import Reason, Reject

CROPS = {detector: Crop(0.25, "dlib", detector) for detector in DETECTORS}
# A detection is of a labelled face if at least this part of what both boxes cover is in both.
OVERLAP = 0.4
# A face is small if its side, the root of its box's area, is less than this part of the photo's longer side.
SMALL = 1 / 8
_DIGITS = 16  # of a photo's SHA-256, in the labels

Kind = Literal["all", "turned", "small"]


@dataclass(frozen=True)
class Settings:
    """Count the labelled faces that each detector finds, and what else it takes for a face."""

    photos: Annotated[Path, Flag(positional=True)]
    """A folder with the labelled photos somewhere below it."""
    labels: Path = Path("benchmarks/labels.csv")
    """The labels."""


@dataclass(frozen=True)
class Face:
    """A face, labelled or found.

    Args:
        box: in pixels of the upright photo.
        eyes: the centres of the person's right and left eye as x + iy; None where one of them is hidden or blurred.
        turned: to a side, by more than 45 degrees.
        ignored: nobody is asked to find it, and finding it is no false alarm.
    """

    box: Box
    eyes: tuple[complex, complex] | None = None
    turned: bool = False
    ignored: bool = False

    @property
    def side(self) -> float:
        """That of a square as large as the box, in pixels."""
        return _area(self.box) ** 0.5


@dataclass(frozen=True)
class Photo:
    """A photo's longer side in pixels, the faces that were labelled on it, and those that were found."""

    long_side: int
    labelled: Sequence[Face]
    found: Sequence[Face]


@dataclass
class Score:
    """What became of the labelled faces of a kind.

    Args:
        faces: how many there are.
        found: how many of them were found.
        errors: of each that was found and has eyes, by the numbers of photo and face: how far the eyes found are from
            those labelled, the mean of both, as a part of the face's side.
    """

    faces: int = 0
    found: int = 0
    errors: dict[tuple[int, int], float] = field(default_factory=dict)


def read(path: Path) -> dict[str, list[Face]]:
    """The labelled faces of each photo, by the first digits of its SHA-256."""
    faces: dict[str, list[Face]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
            places = [row[f"{side}_eye_{axis}"] for side in ("right", "left") for axis in "xy"]
            eyes = None
            if all(places):
                right_x, right_y, left_x, left_y = map(float, places)
                eyes = (complex(right_x, right_y), complex(left_x, left_y))
            face = Face((x, y, x + width, y + height), eyes, row["turned"] == "yes", row["ignored"] == "yes")
            faces.setdefault(row["photo"], []).append(face)
    return faces


def below(folder: Path, wanted: set[str]) -> dict[str, Path]:
    """The files below a folder whose SHA-256 begins with one of `wanted`, by these digits.

    Raises:
        UsageError: one of them is not there.
    """
    files = {
        hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]: path for path in folder.rglob("*") if path.is_file()
    }
    if missing := wanted - files.keys():
        raise UsageError(
            "Labelled photos are not below this folder.",
            received=f"{folder}, without {len(missing)} of {len(wanted)}, {min(missing)}... among them",
            advice="The labels name photos by the SHA-256 of their files: a photo that was saved again is another one.",
        )
    return {digits: files[digits] for digits in sorted(wanted)}


def detected(path: Path, crop: Crop) -> list[Face]:
    """What extract finds in a photo, the eyes in the middle between their corners.

    Raises:
        FacenetError: the photo is rejected, and not because it shows no face.
    """
    faces = faces_in(path, Extraction(which="all", crop=crop, landmarks=landmark_model(None)))
    if isinstance(faces, Reject):
        if faces.reason == Reason.NO_FACE:
            return []
        raise FacenetError("A labelled photo cannot be used.", received=f"{path}: {faces.detail}")
    found = []
    for face in faces:
        assert face.landmarks is not None
        corners = [complex(*face.landmarks[place : place + 2]) for place in range(0, 8, 2)]
        # dlib begins with the eye on the right, which is the person's left one.
        found.append(Face(face.box, (sum(corners[2:]) / 2, sum(corners[:2]) / 2)))
    return found


def matched(labelled: Sequence[Face], found: Sequence[Face]) -> dict[int, int]:
    """Which labelled face is which found one: pairs that overlap by `OVERLAP`, the closest first, each face once."""
    overlaps = [
        (overlap(one.box, other.box), here, there)
        for here, one in enumerate(labelled)
        for there, other in enumerate(found)
        if not one.ignored
    ]
    pairs: dict[int, int] = {}
    for share, here, there in sorted(overlaps, reverse=True):
        if share >= OVERLAP and here not in pairs and there not in pairs.values():
            pairs[here] = there
    return pairs


def false_alarms(photo: Photo) -> int:
    """How many detections are of no labelled face, a second one of the same face among them.

    Those that share at least half of themselves, or of an ignored face, with that face are not counted.
    """
    right = matched(photo.labelled, photo.found).values()
    ignored = [face.box for face in photo.labelled if face.ignored]
    return sum(
        number not in right
        and not any(2 * _common(face.box, box) >= min(_area(face.box), _area(box)) for box in ignored)
        for number, face in enumerate(photo.found)
    )


def score(photos: Sequence[Photo], kind: Kind) -> Score:
    """Counts the labelled faces of a kind, and measures those that were found."""
    total = Score()
    for number, photo in enumerate(photos):
        pairs = matched(photo.labelled, photo.found)
        for here, face in enumerate(photo.labelled):
            small = face.side < SMALL * photo.long_side
            if face.ignored or not {"all": True, "turned": face.turned, "small": small}[kind]:
                continue
            total.faces += 1
            if here in pairs:
                total.found += 1
                eyes = photo.found[pairs[here]].eyes
                if face.eyes and eyes:
                    off = fmean(abs(one - other) for one, other in zip(face.eyes, eyes, strict=True))
                    total.errors[number, here] = off / face.side
    return total


def _area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _common(one: Box, other: Box) -> int:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def _long_side(path: Path) -> int:
    with Image.open(path) as photo:
        return max(photo.size)


def _detectors(settings: Settings) -> None:
    labels = read(settings.labels)
    paths = below(settings.photos, set(labels))
    photos = {
        name: [Photo(_long_side(path), labels[digits], detected(path, crop)) for digits, path in paths.items()]
        for name, crop in CROPS.items()
    }
    print("| faces | detector | found | eyes off | where all find the face | false alarms |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    kinds: tuple[Kind, ...] = ("all", "turned", "small")
    for kind in kinds:
        scores = {name: score(each, kind) for name, each in photos.items()}
        everywhere = set.intersection(*(set(each.errors) for each in scores.values()))
        for name, each in scores.items():
            off = f"{fmean(each.errors.values()):.1%}" if each.errors else ""
            alike = f"{fmean(each.errors[face] for face in everywhere):.1%}" if everywhere else ""
            wrong = f"{sum(map(false_alarms, photos[name]))} in {len(paths)} photos" if kind == "all" else ""
            print(f"| {kind} | {name} | {each.found} of {each.faces} | {off} | {alike} | {wrong} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    return run(Settings, _detectors, argv, prog="benchmarks.detectors")


if __name__ == "__main__":
    sys.exit(main())

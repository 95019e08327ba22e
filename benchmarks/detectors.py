"""Detectors against labels by hand: `python -m benchmarks.detectors FOLDER`, with the labelled photos below the folder.

`labels.csv` knows a photo by the SHA-256 of its file, wherever it lies. The README beside it says how faces were
labelled.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from PIL import Image

from components.common.command import run
from components.common.errors import FacenetError, UsageError
from components.common.flags import Flag
from components.common.preprocessing import Crop
from components.extract.align import landmark_model
from components.extract.crop import Box
from components.extract.photo import Extraction, faces_in
from components.extract.reasons import Reason, Reject

LABELS = Path("benchmarks/labels.csv")
DETECTORS = {"dlib": Crop(0.25, "dlib")}
# A detection is of a labelled face if of the area of both together at least this part is in both.
OVERLAP = 0.4
# A face is small if its side, the root of its box's area, is less than this part of the photo's longer side.
SMALL = 1 / 8
_DIGITS = 16  # of SHA-256


@dataclass(frozen=True)
class Settings:
    """Count the labelled faces that each detector finds, and what it takes for one."""

    photos: Annotated[Path, Flag(positional=True)]
    """A folder with the labelled photos somewhere below it."""
    labels: Path = LABELS
    """The labels."""


@dataclass(frozen=True)
class Face:
    """A face, labelled or found.

    Args:
        box: in pixels of the upright photo.
        eyes: the centres of the person's right and left eye as x + iy; None where one of them cannot be seen.
        turned: by more than 45 degrees to a side.
        ignored: nobody is asked to find it, and finding it is no false alarm.
    """

    box: Box
    eyes: tuple[complex, complex] | None = None
    turned: bool = False
    ignored: bool = False


@dataclass
class Score:
    """What became of a kind of labelled faces.

    Args:
        faces: how many there are.
        found: how many of them were found.
        errors: for each that was found and has eyes: how far the landmarks' eyes are from the labelled ones, their
            mean, as a part of the face's side.
    """

    faces: int
    found: int
    errors: tuple[float, ...]

    def __str__(self) -> str:
        error = f"{sum(self.errors) / len(self.errors):.1%}" if self.errors else ""
        return f"{self.found} of {self.faces} ({self.found / max(self.faces, 1):.1%}) | {error}"


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
        UsageError: one is not there.
    """
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            files[hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]] = path
    if missing := wanted - files.keys():
        raise UsageError(
            "Not all of the labelled photos are below this folder.",
            received=f"{folder}, without {len(missing)} of {len(wanted)}, {min(missing)}... among them",
            advice="Labels are of one version of a photo, byte by byte.",
        )
    return {digits: files[digits] for digits in wanted}


def detected(path: Path, crop: Crop) -> list[Face]:
    """What extract finds in a photo, with the centres of the eyes between their corners.

    Raises:
        FacenetError: the photo is rejected for another reason than that it shows no face.
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
        # dlib has the eye on the right first, which is the person's left one.
        found.append(Face(face.box, (sum(corners[2:]) / 2, sum(corners[:2]) / 2)))
    return found


def matched(labelled: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Which labelled box is which found one: pairs that overlap by `OVERLAP`, those that do most first, each box once."""
    overlaps = [
        (both / (_area(one) + _area(other) - both), here, there)
        for here, one in enumerate(labelled)
        for there, other in enumerate(found)
        if (both := _common(one, other))
    ]
    pairs: dict[int, int] = {}
    for overlap, here, there in sorted(overlaps, reverse=True):
        if overlap >= OVERLAP and here not in pairs and there not in pairs.values():
            pairs[here] = there
    return pairs


def false_alarms(labelled: Sequence[Face], found: Sequence[Face]) -> int:
    """How many detections are of no labelled face.

    One that has at least half of itself, or of an ignored face, in common with that face is not counted.
    """
    taken = matched([face.box for face in labelled if not face.ignored], [face.box for face in found]).values()
    return sum(
        there not in taken
        and not any(
            face.ignored and 2 * _common(face.box, one.box) >= min(_area(face.box), _area(one.box)) for face in labelled
        )
        for there, one in enumerate(found)
    )


def score(photos: Sequence[tuple[int, Sequence[Face], Sequence[Face]]], kind: str) -> Score:
    """Counts labelled faces of a kind.

    Args:
        photos: of each its longer side in pixels, its labelled faces, and those found.
        kind: "all", "turned" or "small".
    """
    total = Score(0, 0, ())
    for long_side, labelled, found in photos:
        wanted = [face for face in labelled if not face.ignored]
        pairs = matched([face.box for face in wanted], [face.box for face in found])
        for here, face in enumerate(wanted):
            side = _area(face.box) ** 0.5
            if (kind == "turned" and not face.turned) or (kind == "small" and side >= SMALL * long_side):
                continue
            total.faces += 1
            if here in pairs:
                total.found += 1
                eyes = found[pairs[here]].eyes
                if face.eyes and eyes:
                    error = sum(abs(one - other) for one, other in zip(face.eyes, eyes, strict=True)) / 2
                    total.errors += (error / side,)
    return total


def _area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _common(one: Box, other: Box) -> int:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def _detectors(settings: Settings) -> None:
    labels = read(settings.labels)
    paths = below(settings.photos, set(labels))
    sides = {}
    for digits, path in paths.items():
        with Image.open(path) as photo:
            sides[digits] = max(photo.size)
    print("| detector | faces | found | eyes off, of the face's side | false alarms |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, crop in DETECTORS.items():
        photos = [(sides[digits], labels[digits], detected(path, crop)) for digits, path in paths.items()]
        wrong = sum(false_alarms(labelled, found) for _, labelled, found in photos)
        for kind in ("all", "turned", "small"):
            last = f"{wrong} in {len(photos)} photos" if kind == "all" else ""
            print(f"| {name} | {kind} | {score(photos, kind)} | {last} |", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    return run(Settings, _detectors, argv, prog="benchmarks.detectors")


if __name__ == "__main__":
    sys.exit(main())

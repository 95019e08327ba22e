"""Photos to faces, against face_recognition: `python -m benchmarks.extracting --photos FOLDER`."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.harness import command_line, compare
from benchmarks.photos import enlarged, given_or_drawn, some
from components.extract.crop import Box
from components.extract.photo import Extraction, extract_photo
from components.extract.photos import extract_photos

# Of the faces that both find, at least so much of the area of both together is in both.
_OVERLAP = 0.3
Found = list[list[Box]]


def ours(photos: Sequence[Path], which: str) -> Found:
    """The product's faces of each photo, cut out and encoded, in this process."""
    outcomes = [extract_photo(photo, Extraction(which=which)) for photo in photos]  # type: ignore[arg-type]
    return [[face.box for face in outcome.faces] for outcome in outcomes]


def theirs(photos: Sequence[Path], which: str) -> Found:
    """The same with face_recognition: locations as it finds them by itself, then the crop."""
    import face_recognition  # not by every process of ours, which imports this module

    found = []
    for photo in photos:
        image = face_recognition.load_image_file(str(photo))
        boxes = [(left, top, right, bottom) for top, right, bottom, left in face_recognition.face_locations(image)]
        if which == "largest":
            boxes = sorted(boxes, key=_area)[-1:]
        for left, top, right, bottom in boxes:
            Image.fromarray(image[max(top, 0) : bottom, max(left, 0) : right]).tobytes()
        found.append(boxes)
    return found


def _area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _same(one: Box, other: Box) -> bool:
    both = _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    return both > _OVERLAP * (_area(one) + _area(other) - both)


def found_too(mine: Found, peers: Found) -> str:
    """The share of the peer's faces that ours found too."""
    pairs = [(box, boxes) for boxes, wanted in zip(mine, peers, strict=True) for box in wanted]
    hits = sum(any(_same(box, own) for own in boxes) for box, boxes in pairs)
    return f"{hits} of its {len(pairs)} faces found, {sum(map(len, mine))} in all"


def _whole(photos: Sequence[Path], workers: int) -> list[str]:
    outcomes = extract_photos(photos, Extraction(), workers)
    return [face.face_id for outcome in outcomes for face in outcome.faces]


def _alone(photos: Sequence[Path]) -> list[str]:
    return [face.face_id for photo in photos for face in extract_photo(photo, Extraction()).faces]


def _halves(processes: Executor, photos: Sequence[Path]) -> list[str]:
    """Two processes that have nothing to do with each other: what this machine has for two."""
    middle = len(photos) // 2
    first, second = processes.map(_alone, (photos[:middle], photos[middle:]))
    return first + second


def _equal(mine: list[str], others: list[str]) -> str:
    assert mine == others
    return f"{len(mine)} faces, bit by bit"


def main() -> None:
    """12 megapixels, then 1280 x 960, on one core; then two processes."""
    parser = command_line(__doc__)
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="folders of people; drawn ones without it")
    with given_or_drawn(parser.parse_args().photos) as folder, tempfile.TemporaryDirectory() as name:
        photos = some(folder)
        large = enlarged(photos[:20], Path(name) / "large", 4000, 3000)
        medium = enlarged(photos[:48], Path(name) / "medium", 1280, 960)
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(every)})
        compare(
            "extract, 12 MP photos, all faces",
            "face_recognition",
            partial(ours, large, "all"),
            partial(theirs, large, "all"),
            found_too,
            at_least=30,
            times=0,
        )
        compare(
            "extract, 1280 x 960, the largest face",
            "face_recognition",
            partial(ours, medium, "largest"),
            partial(theirs, medium, "largest"),
            found_too,
            at_least=8,
            times=1,
        )
        os.sched_setaffinity(0, every)
        many = medium * 12
        compare(
            "extract, 2 processes",
            "1",
            partial(_whole, many, 2),
            partial(_whole, many, 1),
            _equal,
            at_least=1.9,
            times=3,
        )
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
            compare(
                "extract, 2 processes",
                "2 that share nothing",
                partial(_whole, many, 2),
                partial(_halves, processes, many),
                _equal,
                at_least=1,
                times=3,
            )


if __name__ == "__main__":
    main()
